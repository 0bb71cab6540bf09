#include "plugins/cni/protocol/invoke.h"

#include "plugins/cni/protocol/cni_error.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/skeleton.h"

#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin {

namespace {

std::string statusText(int status) {
    if (status >= 0)
        return fmt::format("exit status {}", status);
    switch (-status) { // as Go names them
    case SIGKILL:
        return "signal: killed";
    case SIGSEGV:
        return "signal: segmentation fault";
    case SIGABRT:
        return "signal: aborted";
    case SIGTERM:
        return "signal: terminated";
    default:
        return fmt::format("signal: {}", -status);
    }
}

CniError pluginError(const CniOutcome& outcome) {
    const auto status = statusText(outcome.exitStatus);
    if (outcome.output.empty()) {
        if (outcome.errors.empty())
            return {cni_code::unknown, "netplugin failed with no error message: " + status};
        return {cni_code::unknown, fmt::format("netplugin failed: {}: {}", goQuote(outcome.errors), status)};
    }
    try {
        const auto object = parseJson(outcome.output);
        return {static_cast<int>(intOf(object, "code")), stringOf(object, "msg"), stringOf(object, "details")};
    } catch (const std::runtime_error& error) {
        return {cni_code::unknown, fmt::format("netplugin failed but error parsing its diagnostic message {}: {}",
                                               goQuote(outcome.output), error.what())};
    }
}

CniInvocation delegated(const CniRequest& request, const char* command) {
    CniInvocation invocation{request.environment, request.input};
    invocation.environment["CNI_COMMAND"] = command;
    return invocation;
}

std::string findDelegate(const CniRequest& request, const std::string& type) {
    return findPlugin(request.services.exec, type, request.pluginDirectories());
}

} // namespace

std::string findPlugin(CniExec& exec, const std::string& type, const std::vector<std::string>& directories) {
    if (type.empty())
        throw std::runtime_error("no plugin name provided");
    if (type.find('/') != std::string::npos)
        throw std::runtime_error("invalid plugin name: " + type);
    if (directories.empty())
        throw std::runtime_error("no paths provided");
    auto path = exec.find(type, directories);
    if (path.empty())
        throw std::runtime_error(fmt::format("failed to find plugin {} in path {}", goQuote(type), goList(directories)));
    return path;
}

std::string execPlugin(CniExec& exec, const std::string& path, const CniInvocation& invocation) {
    CniOutcome outcome;
    try {
        outcome = exec.run(path, invocation);
    } catch (const CniError&) {
        throw;
    } catch (const std::runtime_error& error) {
        throw CniError(cni_code::unknown, std::string("netplugin failed with no error message: ") + error.what());
    }
    if (outcome.exitStatus != 0)
        throw pluginError(outcome);
    return std::move(outcome.output);
}

std::string execPluginWithResult(CniExec& exec, const std::string& path, const CniInvocation& invocation) {
    const auto output = execPlugin(exec, path, invocation);
    nlohmann::json result;
    try {
        result = parseJson(output);
        if (result.is_null())
            result = nlohmann::json::object();
        if (!result.is_object())
            throw std::runtime_error("not an object");
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to unmarshal raw result: ") + error.what());
    }
    if (!stringOf(result, "cniVersion").empty())
        return output;
    result["cniVersion"] = stringOf(parseJson(invocation.input), "cniVersion", "0.1.0");
    return goJson(result);
}

CniResult ipamAdd(const CniRequest& request, const std::string& type) {
    const auto path = findDelegate(request, type);
    const auto result = parseJson(execPluginWithResult(request.services.exec, path, delegated(request, "ADD")));
    return CniResult::parse(result, stringOf(result, "cniVersion"));
}

void ipamDelete(const CniRequest& request, const std::string& type) {
    execPlugin(request.services.exec, findDelegate(request, type), delegated(request, "DEL"));
}

void ipamCheck(const CniRequest& request, const std::string& type) {
    execPlugin(request.services.exec, findDelegate(request, type), delegated(request, "CHECK"));
}

} // namespace rdmalab::plugin
