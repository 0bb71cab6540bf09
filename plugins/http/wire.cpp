#include "plugins/http/wire.h"

#include "util/syscall.h"

#include <sys/socket.h>
#include <sys/time.h>

namespace rdmalab::plugin::wire {

http::request<http::string_body> toBeast(const HttpRequest& request, const std::string& host, bool keepAlive) {
    http::request<http::string_body> message;
    message.method_string(request.method);
    message.target(request.target);
    message.version(11);
    message.set(http::field::host, host);
    message.set(http::field::accept, "application/json");
    if (!request.body.empty()) {
        message.set(http::field::content_type, request.contentType);
        message.body() = request.body;
    }
    message.keep_alive(keepAlive);
    message.prepare_payload();
    return message;
}

HttpResponse fromBeast(http::response<http::string_body>&& response) {
    HttpResponse result;
    result.status = static_cast<int>(response.result_int());
    result.contentType = std::string(response[http::field::content_type]);
    result.body = std::move(response.body());
    return result;
}

bool exchange(Socket& socket, boost::beast::flat_buffer& buffer, const http::request<http::string_body>& request,
              HttpResponse& response) {
    http::write(socket, request);
    http::response_parser<http::string_body> parser;
    parser.body_limit(64U << 20); // a list of a whole cluster may be large
    http::read(socket, buffer, parser);
    const bool again = parser.get().keep_alive();
    response = fromBeast(parser.release());
    return again;
}

std::string goText(const boost::system::error_code& error) {
    if (error == http::error::end_of_stream || error == boost::asio::error::eof)
        return "EOF";
    if (error.category() == boost::system::system_category())
        return goErrnoText(error.value());
    return error.message();
}

void setTimeout(Socket& socket, int seconds) {
    const timeval limit{seconds, 0};
    checked("setsockopt SO_RCVTIMEO", ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
}

} // namespace rdmalab::plugin::wire
