// What the RDMA shared device plugin answers over gRPC for one resource.
#pragma once

#include "plugins/device/api/deviceplugin_v1beta1.grpc.pb.h"
#include "plugins/device/api/pluginregistration_v1.grpc.pb.h"
#include "plugins/device/rdma_shared/rdma_shared_plugin.h"

#include <functional>
#include <memory>
#include <mutex>
#include <set>

namespace rdmalab::plugin {

// kubelet's DevicePlugin service. Streams get the list at once and again with each update().
class RdmaSharedService final : public v1beta1::DevicePlugin::CallbackService {
public:
    RdmaSharedService(RsdpResource resource, PluginLog log);
    ~RdmaSharedService() override;

    void update(RsdpResource resource); // from any thread

    grpc::ServerUnaryReactor* GetDevicePluginOptions(grpc::CallbackServerContext* context, const v1beta1::Empty* request,
                                                     v1beta1::DevicePluginOptions* response) override;
    grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* ListAndWatch(grpc::CallbackServerContext* context,
                                                                          const v1beta1::Empty* request) override;
    grpc::ServerUnaryReactor* GetPreferredAllocation(grpc::CallbackServerContext* context,
                                                     const v1beta1::PreferredAllocationRequest* request,
                                                     v1beta1::PreferredAllocationResponse* response) override;
    grpc::ServerUnaryReactor* Allocate(grpc::CallbackServerContext* context, const v1beta1::AllocateRequest* request,
                                       v1beta1::AllocateResponse* response) override;
    grpc::ServerUnaryReactor* PreStartContainer(grpc::CallbackServerContext* context,
                                                const v1beta1::PreStartContainerRequest* request,
                                                v1beta1::PreStartContainerResponse* response) override;

private:
    class Stream;
    v1beta1::ListAndWatchResponse list() const;

    PluginLog log_;
    mutable std::mutex mutex_;
    RsdpResource resource_;                     // guarded by mutex_
    std::set<std::shared_ptr<Stream>> streams_; // guarded by mutex_
};

// The plugin's half of kubelet's plugin watcher.
class RegistrationService final : public pluginregistration::Registration::CallbackService {
public:
    // `onStatus(registered, error)` is called on a gRPC thread.
    RegistrationService(std::string resourceName, std::string endpoint, std::function<void(bool, std::string)> onStatus)
        : resourceName_(std::move(resourceName)), endpoint_(std::move(endpoint)), onStatus_(std::move(onStatus)) {}

    grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context, const pluginregistration::InfoRequest* request,
                                      pluginregistration::PluginInfo* response) override;
    grpc::ServerUnaryReactor* NotifyRegistrationStatus(grpc::CallbackServerContext* context,
                                                       const pluginregistration::RegistrationStatus* request,
                                                       pluginregistration::RegistrationStatusResponse* response) override;

private:
    std::string resourceName_, endpoint_;
    std::function<void(bool, std::string)> onStatus_;
};

} // namespace rdmalab::plugin
