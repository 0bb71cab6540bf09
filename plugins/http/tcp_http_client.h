#pragma once

#include "plugins/http/http.h"

#include <memory>
#include <mutex>
#include <string>

namespace rdmalab::plugin {

// HTTP/1.1 to one server over TCP. Keeps its connection between requests; a request on a connection that the server has closed
// meanwhile is sent again on a new one. May be used from several threads, one request at a time.
class TcpHttpClient {
public:
    TcpHttpClient(std::string address, int port);
    ~TcpHttpClient();
    TcpHttpClient(const TcpHttpClient&) = delete;
    TcpHttpClient& operator=(const TcpHttpClient&) = delete;

    // Throws std::runtime_error: `dial tcp 127.0.0.1:6443: connect: connection refused`.
    HttpResponse request(const HttpRequest& request);

private:
    struct Connection;
    std::string address_;
    int port_;
    std::mutex mutex_;
    std::unique_ptr<Connection> connection_; // guarded by mutex_
};

} // namespace rdmalab::plugin
