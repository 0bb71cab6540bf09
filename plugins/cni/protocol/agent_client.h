// Requests of the CNI plugins to the Spiderpool agent on its unix socket (spec/spiderpool.md, section 8).
#pragma once

#include "plugins/http/http.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace rdmalab::plugin {

inline constexpr const char* defaultAgentSocket = "/var/run/spidernet/spiderpool.sock";

class AgentClient {
public:
    AgentClient(UnixHttpClient http, std::string socketPath);

    // The reply's JSON on 200 (null when the body is empty). `operation` is the API's name of the call, e.g. "postIpamIp"; any
    // other status throws std::runtime_error `[POST /ipam/ip][500] postIpamIpFailure  <text>`, no connection throws
    // `Post "http:///v1/ipam/ip": dial unix ...`. `body` is sent as given.
    nlohmann::json call(const std::string& method, const std::string& path, const std::string& body, const std::string& operation,
                        const std::string& failure = "Failure") const;

private:
    UnixHttpClient http_;
    std::string socket_;
};

} // namespace rdmalab::plugin
