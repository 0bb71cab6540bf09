#include "plugins/cni/protocol/skeleton.h"

#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/kernel/kernel.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace rdmalab::plugin {

namespace {

std::string variable(const CniInvocation& invocation, const char* name) {
    const auto found = invocation.environment.find(name);
    return found == invocation.environment.end() ? "" : found->second;
}

bool identifier(const std::string& text) {
    if (text.empty() || !std::isalnum(static_cast<unsigned char>(text[0])))
        return false;
    return std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == '-'; });
}

CniRequest readEnvironment(const CniInvocation& invocation, CniServices& services, const std::string& command) {
    CniRequest request{"", "", "", "", "", invocation.input, invocation.environment, services, nullptr};
    struct Variable {
        const char* name;
        std::string* value;
        const char* requiredFor;
        std::optional<CniError> (*validate)(const std::string&);
    };
    std::string commandText;
    const Variable variables[] = {
        {"CNI_COMMAND", &commandText, "", nullptr},
        {"CNI_CONTAINERID", &request.containerId, "ADD CHECK DEL", validateContainerId},
        {"CNI_NETNS", &request.netns, "ADD CHECK", nullptr},
        {"CNI_IFNAME", &request.ifName, "ADD CHECK DEL", validateInterfaceName},
        {"CNI_ARGS", &request.args, "", nullptr},
        {"CNI_PATH", &request.path, "ADD CHECK DEL GC STATUS", nullptr},
    };
    std::vector<std::string> missing;
    for (const auto& entry : variables) {
        *entry.value = variable(invocation, entry.name);
        const bool required =
            !command.empty() && (" " + std::string(entry.requiredFor) + " ").find(" " + command + " ") != std::string::npos;
        if (entry.value->empty()) {
            if (required || entry.value == &commandText)
                missing.emplace_back(entry.name);
        } else if (required && entry.validate != nullptr) {
            if (const auto error = entry.validate(*entry.value))
                throw *error;
        }
    }
    if (!missing.empty())
        throw CniError(cni_code::invalidEnvironment, fmt::format("required env variables [{}] missing", fmt::join(missing, ",")));
    return request;
}

// Name and version of the network; the version is "0.1.0" when absent.
std::string validateConfig(const std::string& input) {
    nlohmann::json config;
    try {
        config = parseJson(input);
        if (!config.is_object())
            throw std::runtime_error(fmt::format("json: cannot unmarshal {} into Go value of type struct", config.type_name()));
    } catch (const std::runtime_error& error) {
        throw CniError(cni_code::decodingFailure, std::string("error unmarshall network config: ") + error.what());
    }
    const auto name = stringOf(config, "name");
    if (const auto error = validateNetworkName(name))
        throw *error;
    return stringOf(config, "cniVersion", "0.1.0");
}

std::string versionAnswer(const CniCommands& commands) {
    nlohmann::ordered_json answer{{"cniVersion", commands.versions.back()}, {"supportedVersions", commands.versions}};
    return goJson(answer) + "\n";
}

void checkVersion(const CniCommands& commands, const std::string& version) {
    if (std::find(commands.versions.begin(), commands.versions.end(), version) == commands.versions.end())
        throw CniError(cni_code::incompatibleVersion, "incompatible CNI versions",
                       fmt::format("config is {}, plugin supports {}", goQuote(version), goQuoteList(commands.versions)));
}

void checkAllowed(const CniCommands& commands, const std::string& command, const std::string& version) {
    if (command == "ADD" || command == "DEL")
        return;
    const std::string since = command == "CHECK" ? "0.4.0" : "1.1.0";
    if (!versionAtLeast(version, since))
        throw CniError(cni_code::incompatibleVersion, "config version does not allow " + command);
    if (std::none_of(commands.versions.begin(), commands.versions.end(),
                     [&](const std::string& supported) { return versionAtLeast(supported, version); }))
        throw CniError(cni_code::incompatibleVersion, "plugin version does not allow " + command);
}

std::string call(CniCommand command, const CniRequest& request) {
    if (command == nullptr)
        return "";
    try {
        return command(request);
    } catch (const CniError&) {
        throw;
    } catch (const std::exception& error) {
        throw CniError(cni_code::internal, error.what());
    }
}

// After the work is done: a plugin that was given its own namespace as the container's has changed the wrong one.
void checkNotOwnNetns(const CniRequest& request, const CniInvocation& invocation) {
    std::string override = variable(invocation, "CNI_NETNS_OVERRIDE");
    std::transform(override.begin(), override.end(), override.begin(), [](unsigned char c) { return std::toupper(c); });
    if (override == "TRUE" || override == "1" || request.netns.empty())
        return;
    bool own = false;
    try {
        own = request.services.kernel.openNetns(request.netns)->sameNetns(request.services.kernel);
    } catch (const std::exception&) {
        return; // whether the path must exist is for the plugin to decide
    }
    if (own)
        throw CniError(cni_code::invalidNetns, "plugin's netns and netns from CNI_NETNS should not be the same");
}

} // namespace

std::vector<std::string> CniRequest::pluginDirectories() const {
    std::vector<std::string> directories;
    std::string current;
    for (const char c : path + ":") {
        if (c != ':')
            current += c;
        else if (!current.empty())
            directories.push_back(std::exchange(current, ""));
    }
    return directories;
}

std::optional<CniError> validateContainerId(const std::string& id) {
    if (id.empty())
        return CniError(cni_code::unknownContainer, "missing containerID");
    if (!identifier(id))
        return CniError(cni_code::invalidEnvironment, "invalid characters in containerID", id);
    return std::nullopt;
}

std::optional<CniError> validateNetworkName(const std::string& name) {
    if (name.empty())
        return CniError(cni_code::invalidConfig, "missing network name");
    if (!identifier(name))
        return CniError(cni_code::invalidConfig, "invalid characters found in network name", name);
    return std::nullopt;
}

std::optional<CniError> validateInterfaceName(const std::string& name) {
    const auto error = [](const char* message, const char* details = "") {
        return CniError(cni_code::invalidEnvironment, message, details);
    };
    if (name.empty())
        return error("interface name is empty");
    if (name.size() > 15)
        return error("interface name is too long", "interface name should be less than 16 characters");
    if (name == "." || name == "..")
        return error("interface name is . or ..");
    if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c == '/' || c == ':' || std::isspace(c); }))
        return error("interface name contains / or : or whitespace characters");
    return std::nullopt;
}

CniOutcome runCniCommand(const CniCommands& commands, const CniInvocation& invocation, CniServices& services) {
    const auto command = variable(invocation, "CNI_COMMAND");
    if (command.empty() && !commands.about.empty())
        return {0, "",
                fmt::format("{}\nCNI protocol versions supported: {}\n", commands.about, fmt::join(commands.versions, ", "))};

    CniOutcome outcome;
    try {
        auto request = readEnvironment(invocation, services, command);
        request.errors = &outcome.errors;
        if (command == "VERSION") {
            outcome.output = versionAnswer(commands);
            return outcome;
        }
        static const std::vector<std::string> known{"ADD", "DEL", "CHECK", "GC", "STATUS"};
        const auto position = std::find(known.begin(), known.end(), command) - known.begin();
        const CniCommand functions[] = {commands.add, commands.del, commands.check, commands.gc, commands.status, nullptr};
        const auto version = validateConfig(invocation.input);
        if (position == static_cast<long>(known.size()))
            throw CniError(cni_code::invalidEnvironment, "unknown CNI_COMMAND: " + command);
        checkAllowed(commands, command, version);
        checkVersion(commands, version);
        outcome.output = call(functions[position], request);
        if (command == "ADD" || command == "DEL")
            checkNotOwnNetns(request, invocation);
    } catch (const CniError& error) {
        outcome.exitStatus = 1;
        outcome.output += error.json(); // behind a result that was printed already
    }
    return outcome;
}

} // namespace rdmalab::plugin
