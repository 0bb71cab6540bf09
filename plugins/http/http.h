// HTTP messages between plugins and agents, free of any socket library.
#pragma once

#include <functional>
#include <string>

namespace rdmalab::plugin {

struct HttpRequest {
    std::string method; // "GET"
    std::string target; // "/v1/ipam/ip?x=y"
    std::string body;
    std::string contentType = "application/json";
};

struct HttpResponse {
    int status = 0;
    std::string body;
    std::string contentType = "application/json";
};

// Sends a request to the server on a unix socket and waits for the answer. Throws std::runtime_error with the text that Go's
// net/http would give ("dial unix /var/run/x.sock: connect: no such file or directory").
using UnixHttpClient = std::function<HttpResponse(const std::string& socketPath, const HttpRequest& request)>;

} // namespace rdmalab::plugin
