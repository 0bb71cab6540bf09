#include "plugins/http/tcp_http_client.h"

#include "plugins/http/wire.h"

#include <boost/asio/ip/tcp.hpp>

namespace rdmalab::plugin {

struct TcpHttpClient::Connection {
    boost::asio::io_context context;
    wire::Socket socket{context};
    boost::beast::flat_buffer buffer;
};

TcpHttpClient::TcpHttpClient(std::string address, int port) : address_(std::move(address)), port_(port) {}
TcpHttpClient::~TcpHttpClient() = default;

HttpResponse TcpHttpClient::request(const HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    const std::string host = address_ + ":" + std::to_string(port_);
    const auto message = wire::toBeast(request, host, true);
    for (bool reused = connection_ != nullptr;; reused = false) {
        if (!connection_) {
            auto fresh = std::make_unique<Connection>();
            boost::system::error_code error;
            const auto address = boost::asio::ip::make_address(address_, error);
            if (!error)
                fresh->socket.connect(boost::asio::ip::tcp::endpoint(address, static_cast<unsigned short>(port_)), error);
            if (error)
                throw std::runtime_error("dial tcp " + host + ": connect: " + wire::goText(error));
            fresh->socket.set_option(boost::asio::ip::tcp::no_delay(true));
            wire::setTimeout(fresh->socket, 60);
            connection_ = std::move(fresh);
        }
        HttpResponse response;
        try {
            if (!wire::exchange(connection_->socket, connection_->buffer, message, response))
                connection_.reset();
            return response;
        } catch (const boost::system::system_error& failure) {
            connection_.reset();
            if (!reused)
                throw std::runtime_error(request.method + " http://" + host + request.target + ": " +
                                         wire::goText(failure.code()));
        }
    }
}

} // namespace rdmalab::plugin
