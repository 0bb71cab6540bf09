#include "plugins/cni/multus/network_selection.h"

#include "plugins/cni/protocol/go_json.h"

#include <fmt/format.h>
#include <regex>
#include <stdexcept>

namespace rdmalab::plugin::multus {

namespace {

std::string trim(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\n");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

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

NetworkSelection parseItem(const std::string& item) {
    NetworkSelection selection;
    const auto slash = split(item, '/');
    if (slash.size() > 2)
        throw std::runtime_error("parsePodNetworkObjectName: Invalid network object (failed at '/')");
    if (slash.size() == 2)
        selection.podNamespace = trim(slash[0]);
    const auto at = split(slash.back(), '@');
    if (at.size() > 2)
        throw std::runtime_error("parsePodNetworkObjectName: Invalid network object (failed at '@')");
    selection.name = trim(at[0]);
    if (at.size() == 2)
        selection.interface = trim(at[1]);

    static const std::regex name("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
    const auto mismatch = [](const std::string& what) {
        return std::runtime_error(fmt::format(
            "parsePodNetworkObjectName: Failed to parse: one or more items did not match comma-delimited format (must consist "
            "of lower case alphanumeric characters). Must start and end with an alphanumeric character), mismatch @ '{}'",
            what));
    };
    if (!std::regex_match(selection.name, name))
        throw mismatch(selection.name);
    if (!selection.podNamespace.empty() && !std::regex_match(selection.podNamespace, name))
        throw mismatch(selection.podNamespace);
    const auto& interface = selection.interface;
    if (interface.size() > 15 || interface.find_first_of(" \t\n\v\f\r/") != std::string::npos)
        throw std::runtime_error(fmt::format(
            "parsePodNetworkObjectName: Failed to parse interface name: must be less than 15 chars and not contain '/' or "
            "spaces. interface name '{}'",
            interface));
    return selection;
}

// 6, 8 or 20 bytes, as Go's net.ParseMAC takes them.
bool isHardwareAddress(const std::string& text) {
    static const std::regex shape("^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}(([:-][0-9a-fA-F]{2}){2}(([:-][0-9a-fA-F]{2}){12})?)?$");
    return std::regex_match(text, shape);
}

std::string jsonText(const nlohmann::json& object, const char* key) {
    const auto& member = memberOf(object, key);
    return member.is_null() ? "" : goJson(member);
}

NetworkSelection parseElement(const nlohmann::json& element) {
    NetworkSelection selection;
    selection.name = stringOf(element, "name");
    selection.podNamespace = stringOf(element, "namespace");
    selection.interface = stringOf(element, "interface", stringOf(element, "interfaceRequest"));
    selection.mac = stringOf(element, "mac");
    selection.infinibandGuid = stringOf(element, "infiniband-guid");
    selection.deviceId = stringOf(element, "deviceID");
    selection.ips = stringsOf(element, "ips");
    selection.portMappings = jsonText(element, "portMappings");
    selection.bandwidth = jsonText(element, "bandwidth");
    selection.cniArgs = jsonText(element, "cni-args");
    if (const auto& routes = memberOf(element, "default-route"); routes.is_array()) {
        selection.defaultRoute.emplace();
        for (const auto& text : stringsOf(element, "default-route")) {
            const auto gateway = IpAddress::parse(text);
            if (!gateway)
                throw std::runtime_error("parsePodNetworkAnnotation: failed to parse pod Network Attachment Selection "
                                         "Annotation JSON format: invalid IP address: " +
                                         text);
            selection.defaultRoute->push_back(*gateway);
        }
    }
    if (!selection.mac.empty() && !isHardwareAddress(selection.mac))
        throw std::runtime_error(
            fmt::format("parsePodNetworkAnnotation: failed to mac: address {}: invalid MAC address", selection.mac));
    if (!selection.infinibandGuid.empty() && !isHardwareAddress(selection.infinibandGuid))
        throw std::runtime_error(
            fmt::format("parsePodNetworkAnnotation: failed to validate infiniband GUID: address {}: invalid MAC address",
                        selection.infinibandGuid));
    for (const auto& ip : selection.ips) {
        const bool cidr = ip.find('/') != std::string::npos;
        if (cidr ? !Cidr::parse(ip) : !IpAddress::parse(ip))
            throw std::runtime_error(cidr ? fmt::format("failed to parse CIDR {}: invalid CIDR address: {}", goQuote(ip), ip)
                                          : fmt::format("failed to parse IP address {}", goQuote(ip)));
    }
    return selection;
}

} // namespace

std::vector<NetworkSelection> parseNetworkSelections(const std::string& annotation, const std::string& defaultNamespace) {
    if (annotation.empty())
        throw std::runtime_error("parsePodNetworkAnnotation: pod annotation does not have \"network\" as key");
    std::vector<NetworkSelection> selections;
    if (annotation.find_first_of("[{\"") != std::string::npos) {
        nlohmann::json list;
        try {
            list = parseJson(annotation);
            if (!list.is_array())
                throw std::runtime_error("json: cannot unmarshal object into Go value of type []*types.NetworkSelectionElement");
        } catch (const std::runtime_error& error) {
            throw std::runtime_error("parsePodNetworkAnnotation: failed to parse pod Network Attachment Selection Annotation "
                                     "JSON format: " +
                                     std::string(error.what()));
        }
        for (const auto& element : list)
            selections.push_back(parseElement(element));
    } else {
        for (const auto& item : split(annotation, ',')) {
            try {
                selections.push_back(parseItem(trim(item)));
            } catch (const std::runtime_error& error) {
                throw std::runtime_error(std::string("parsePodNetworkAnnotation: ") + error.what());
            }
        }
    }
    for (auto& selection : selections)
        if (selection.podNamespace.empty())
            selection.podNamespace = defaultNamespace;
    return selections;
}

} // namespace rdmalab::plugin::multus
