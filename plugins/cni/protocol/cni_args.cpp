#include "plugins/cni/protocol/cni_args.h"

#include "plugins/cni/protocol/go_json.h"

#include <algorithm>
#include <stdexcept>

namespace rdmalab::plugin {

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts{""};
    for (const char c : text) {
        if (c == separator)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

bool parseBool(const std::string& value) {
    std::string lower = value;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower == "1" || lower == "true")
        return true;
    if (lower == "0" || lower == "false")
        return false;
    throw std::runtime_error("ARGS: error parsing value of pair " + goQuote("IgnoreUnknown=" + value) +
                             ": boolean unmarshal error: invalid input " + value);
}

} // namespace

std::map<std::string, std::string> parseCniArgs(const std::string& text, const std::vector<std::string>& known) {
    std::map<std::string, std::string> values;
    if (text.empty())
        return values;
    std::vector<std::string> unknown;
    bool ignoreUnknown = false;
    for (const auto& pair : split(text, ';')) {
        const auto parts = split(pair, '=');
        if (parts.size() != 2)
            throw std::runtime_error("ARGS: invalid pair " + goQuote(pair));
        if (parts[0] == "IgnoreUnknown")
            ignoreUnknown = parseBool(parts[1]);
        else if (std::find(known.begin(), known.end(), parts[0]) != known.end())
            values[parts[0]] = parts[1];
        else
            unknown.push_back(pair);
    }
    if (!unknown.empty() && !ignoreUnknown)
        throw std::runtime_error("ARGS: unknown args " + goQuoteList(unknown));
    return values;
}

const std::vector<std::string>& kubernetesCniArgs() {
    static const std::vector<std::string> keys{"IP", "K8S_POD_NAME", "K8S_POD_NAMESPACE", "K8S_POD_INFRA_CONTAINER_ID",
                                               "K8S_POD_UID"};
    return keys;
}

} // namespace rdmalab::plugin
