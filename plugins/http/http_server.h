// A small HTTP/1.1 server for local peers: agents on unix sockets, an API on loopback.
#pragma once

#include "plugins/http/http.h"
#include "util/unique_fd.h"

#include <functional>
#include <memory>
#include <string>

namespace rdmalab::plugin {

// Keep-alive, concurrent connections, bodies up to 8 MiB with any method. An empty Host header is accepted: Go's unix clients
// send it.
class HttpServer {
public:
    using Reply = std::function<void(HttpResponse)>;
    // Called on a thread of the connection; the reply may be given at once or later from any thread, once.
    using Handler = std::function<void(HttpRequest, Reply)>;

    HttpServer(UniqueFd listeningSocket, Handler handler);
    // Closes every connection; requests that wait for their reply are dropped.
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

private:
    struct State;
    std::shared_ptr<State> state_;
};

// A socket file of an earlier process is replaced. Throws SystemError.
UniqueFd listenUnix(const std::string& path);
// In the calling thread's network namespace; port 0 = any.
UniqueFd listenTcp(const std::string& address, int port);
int portOf(const UniqueFd& listener);

} // namespace rdmalab::plugin
