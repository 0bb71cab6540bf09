#include "plugins/cni/rdma/rdma_state.h"

#include "plugins/cni/protocol/go_json.h"
#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin::rdma {

namespace {
const std::string stateDirectory = "/var/lib/cni/rdma";
}

StateFile::StateFile(Files& files, const std::string& network, const std::string& containerId, const std::string& ifName)
    : files_(files), reference_(network + "-" + containerId + "-" + ifName), path_(stateDirectory + "/" + reference_) {}

void StateFile::save(const RdmaState& state) const {
    try {
        files_.makeDirectories(stateDirectory, 0700);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("failed to create data cache directory({}): mkdir {}: {}", goQuote(stateDirectory),
                                             stateDirectory, goErrnoText(error.code())));
    }
    const nlohmann::ordered_json object{{"version", "1.0"},
                                        {"deviceID", state.deviceId},
                                        {"sandboxRdmaDevName", state.sandboxName},
                                        {"containerRdmaDevName", state.containerName}};
    try {
        files_.write(path_, goJson(object), 0600);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("failed to write cache data in the path({}): open {}: {}", goQuote(path_), path_,
                                             goErrnoText(error.code())));
    }
}

RdmaState StateFile::load() const {
    std::string text;
    try {
        text = files_.read(path_);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("failed to read cache data in the path({}): open {}: {}", goQuote(path_), path_,
                                             goErrnoText(error.code())));
    }
    const auto object = parseJson(text);
    return {stringOf(object, "deviceID"), stringOf(object, "sandboxRdmaDevName"), stringOf(object, "containerRdmaDevName")};
}

void StateFile::remove() const {
    try {
        files_.remove(path_);
    } catch (const SystemError& error) {
        throw std::runtime_error(
            fmt::format("error removing cache file {}: remove {}: {}", goQuote(path_), path_, goErrnoText(error.code())));
    }
}

} // namespace rdmalab::plugin::rdma
