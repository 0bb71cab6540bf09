// What client and server share: sockets of any family, and conversion between our messages and Beast's. Internal to this folder.
#pragma once

#include "plugins/http/http.h"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace rdmalab::plugin::wire {

namespace http = boost::beast::http;
using Socket = boost::asio::generic::stream_protocol::socket;

inline constexpr std::uint64_t bodyLimit = 8U << 20;

http::request<http::string_body> toBeast(const HttpRequest& request, const std::string& host, bool keepAlive);
HttpResponse fromBeast(http::response<http::string_body>&& response);

// Sends and waits for the answer. Returns whether the connection can be used again. Throws boost::system::system_error.
bool exchange(Socket& socket, boost::beast::flat_buffer& buffer, const http::request<http::string_body>& request,
              HttpResponse& response);
std::string goText(const boost::system::error_code& error);
// Limits how long a read may wait.
void setTimeout(Socket& socket, int seconds);

} // namespace rdmalab::plugin::wire
