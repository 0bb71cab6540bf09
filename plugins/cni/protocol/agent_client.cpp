#include "plugins/cni/protocol/agent_client.h"

#include "plugins/cni/protocol/go_json.h"

#include <cctype>
#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin {

namespace {

// Failures carry a JSON string; go-swagger prints its value.
std::string payloadText(const std::string& body) {
    const auto value = nlohmann::json::parse(body, nullptr, false);
    return value.is_string() ? value.get<std::string>() : "";
}

} // namespace

AgentClient::AgentClient(UnixHttpClient http, std::string socketPath) : http_(std::move(http)), socket_(std::move(socketPath)) {}

nlohmann::json AgentClient::call(const std::string& method, const std::string& path, const std::string& body,
                                 const std::string& operation, const std::string& failure) const {
    HttpResponse response;
    try {
        response = http_(socket_, {method, "/v1" + path, body});
    } catch (const std::runtime_error& error) {
        std::string verb = method;
        for (std::size_t i = 1; i < verb.size(); ++i)
            verb[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(verb[i])));
        throw std::runtime_error(fmt::format("{} \"http:///v1{}\": {}", verb, path, error.what()));
    }
    if (response.status == 200)
        return response.body.empty() ? nlohmann::json() : nlohmann::json::parse(response.body, nullptr, false);
    if (response.status == 500)
        throw std::runtime_error(fmt::format("[{} {}][500] {}{} {}{}", method, path, operation, failure,
                                             failure == "Failure" ? " " : "", payloadText(response.body)));
    // An answer that the API does not describe.
    throw std::runtime_error(
        fmt::format("unexpected success response or error: {} {}: status {}: {}", method, path, response.status, response.body));
}

} // namespace rdmalab::plugin
