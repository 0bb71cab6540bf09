#include "plugins/http/unix_http_client.h"

#include "plugins/http/wire.h"

#include <boost/asio/local/stream_protocol.hpp>

namespace rdmalab::plugin {

HttpResponse unixHttpRequest(const std::string& socketPath, const HttpRequest& request) {
    boost::asio::io_context context;
    wire::Socket socket(context);
    boost::system::error_code error;
    try {
        socket.connect(boost::asio::local::stream_protocol::endpoint(socketPath), error);
    } catch (const boost::system::system_error& failure) { // a path that is too long
        error = failure.code();
    }
    if (error)
        throw std::runtime_error("dial unix " + socketPath + ": connect: " + wire::goText(error));
    wire::setTimeout(socket, 100);
    boost::beast::flat_buffer buffer;
    HttpResponse response;
    try {
        wire::exchange(socket, buffer, wire::toBeast(request, "", false), response);
    } catch (const boost::system::system_error& failure) {
        throw std::runtime_error(wire::goText(failure.code()));
    }
    return response;
}

} // namespace rdmalab::plugin
