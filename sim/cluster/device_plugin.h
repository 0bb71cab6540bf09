// The kubelet's view of a device plugin (kubelet device plugin API v1beta1), without a transport.
#pragma once

#include "sim/cluster/result.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rdmalab::cluster {

struct PluginDevice {
    std::string id;
    std::string health; // "Healthy"; anything else counts as unhealthy
    std::vector<std::int64_t> numaNodes;
    friend bool operator==(const PluginDevice&, const PluginDevice&) = default;
};

struct DeviceSpec {
    std::string containerPath, hostPath, permissions;
    friend bool operator==(const DeviceSpec&, const DeviceSpec&) = default;
};

struct DeviceMount {
    std::string containerPath, hostPath;
    bool readOnly = false;
    friend bool operator==(const DeviceMount&, const DeviceMount&) = default;
};

struct AllocateResponse {
    std::map<std::string, std::string> envs;
    std::vector<DeviceMount> mounts;
    std::vector<DeviceSpec> devices;
    std::map<std::string, std::string> annotations;
    std::vector<std::string> cdiDevices;
};

struct DevicePluginOptions {
    bool preStartRequired = false;
    bool preferredAllocationAvailable = false;
};

// A connected plugin. Destroying it ends the stream; no callback comes after that.
class DevicePluginConnection {
public:
    DevicePluginConnection() = default;
    DevicePluginConnection(const DevicePluginConnection&) = delete;
    DevicePluginConnection& operator=(const DevicePluginConnection&) = delete;
    virtual ~DevicePluginConnection() = default;

    virtual void options(Callback<DevicePluginOptions> reply) = 0;
    // `onList` for every message; `onEnd` once, when the stream has ended.
    virtual void listAndWatch(std::function<void(std::vector<PluginDevice>)> onList, std::function<void(std::string)> onEnd) = 0;
    virtual void preferredAllocation(const std::vector<std::string>& available, const std::vector<std::string>& mustInclude,
                                     int size, Callback<std::vector<std::string>> reply) = 0;
    // One container request with these ids. An answer without container responses is a success with nullopt inside.
    virtual void allocate(const std::vector<std::string>& ids, Callback<std::optional<AllocateResponse>> reply) = 0;
    virtual void preStartContainer(const std::vector<std::string>& ids, Callback<Done> reply) = 0;
};

struct RegisterRequest {
    std::string version;      // "v1beta1"
    std::string endpoint;     // what NodeHost::connectDevicePlugin takes
    std::string resourceName; // "spidernet.io/hca_shared_devices"
};

} // namespace rdmalab::cluster
