#include "plugins/agent/ipam/network_selection.h"

#include "plugins/agent/ipam/json_access.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <stdexcept>

namespace rdmalab::plugin::ipam {

namespace {

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\n\r"), last = text.find_last_not_of(" \t\n\r");
    return first == std::string::npos ? std::string() : text.substr(first, last - first + 1);
}

bool isLabel(const std::string& text) {
    const auto alphanumeric = [](char c) {
        return std::islower(static_cast<unsigned char>(c)) || std::isdigit(static_cast<unsigned char>(c));
    };
    return text.empty() || (alphanumeric(text.front()) && alphanumeric(text.back()) &&
                            std::all_of(text.begin(), text.end(), [&](char c) { return c == '-' || alphanumeric(c); }));
}

NetworkSelection parseName(const std::string& text) {
    const std::string where = "parsePodNetworkObjectName: ";
    NetworkSelection result;
    std::string name = text;
    if (const auto slash = text.find('/'); slash != std::string::npos) {
        result.ns = trimmed(text.substr(0, slash));
        name = text.substr(slash + 1);
        if (name.find('/') != std::string::npos)
            throw std::runtime_error(where + "Invalid network object (failed at '/')");
    }
    if (const auto sign = name.find('@'); sign != std::string::npos) {
        result.ifName = trimmed(name.substr(sign + 1));
        name = name.substr(0, sign);
        if (result.ifName.find('@') != std::string::npos)
            throw std::runtime_error(where + "Invalid network object (failed at '@')");
    }
    result.name = trimmed(name);
    for (const auto& part : {result.ns, result.name, result.ifName})
        if (!isLabel(part))
            throw std::runtime_error(
                fmt::format("{}Failed to parse: one or more items did not match comma-delimited format (must "
                            "consist of lower case alphanumeric characters). Must start and end with an "
                            "alphanumeric character), mismatch @ '{}'",
                            where, part));
    return result;
}

} // namespace

std::vector<NetworkSelection> parseNetworks(const std::string& text, const std::string& defaultNs) {
    const std::string where = "parsePodNetworkAnnotation: ";
    if (text.empty())
        throw std::runtime_error(where + ", " + defaultNs);
    std::vector<NetworkSelection> networks;
    if (text.find_first_of("[{\"") != std::string::npos) {
        const Json list = Json::parse(text, nullptr, false);
        if (!list.is_array())
            throw std::runtime_error(
                where + "failed to parse pod Network Attachment Selection Annotation JSON format: it is no list of objects");
        for (const Json& entry : list)
            networks.push_back({textAt(entry, {"namespace"}), textAt(entry, {"name"}), textAt(entry, {"interface"})});
    } else {
        std::istringstream items(text);
        for (std::string item; std::getline(items, item, ',');) {
            try {
                networks.push_back(parseName(trimmed(item)));
            } catch (const std::runtime_error& error) {
                throw std::runtime_error(where + error.what());
            }
        }
    }
    for (auto& network : networks)
        if (network.ns.empty())
            network.ns = defaultNs;
    return networks;
}

} // namespace rdmalab::plugin::ipam
