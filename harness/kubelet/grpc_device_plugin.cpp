#include "harness/kubelet/grpc_device_plugin.h"

#include "harness/kubelet/loop_gate.h"
#include "plugins/device/api/deviceplugin_v1beta1.grpc.pb.h"
#include "plugins/device/grpc/unix_channel.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <set>

namespace rdmalab::harness {

using cluster::Callback;
using cluster::Result;

namespace {

std::vector<cluster::PluginDevice> convert(const v1beta1::ListAndWatchResponse& message) {
    std::vector<cluster::PluginDevice> devices;
    devices.reserve(static_cast<std::size_t>(message.devices_size()));
    for (const auto& device : message.devices()) {
        auto& added = devices.emplace_back(cluster::PluginDevice{device.id(), device.health(), {}});
        for (const auto& node : device.topology().nodes())
            added.numaNodes.push_back(node.id());
    }
    return devices;
}

cluster::AllocateResponse convert(const v1beta1::ContainerAllocateResponse& message) {
    cluster::AllocateResponse response;
    response.envs.insert(message.envs().begin(), message.envs().end());
    for (const auto& mount : message.mounts())
        response.mounts.push_back({mount.container_path(), mount.host_path(), mount.read_only()});
    for (const auto& device : message.devices())
        response.devices.push_back({device.container_path(), device.host_path(), device.permissions()});
    response.annotations.insert(message.annotations().begin(), message.annotations().end());
    for (const auto& device : message.cdi_devices())
        response.cdiDevices.push_back(device.name());
    return response;
}

template <typename Request, typename Response>
struct Call {
    std::shared_ptr<grpc::ClientContext> context = std::make_shared<grpc::ClientContext>();
    Request request;
    Response response;
};

} // namespace

class GrpcDevicePlugin::Core : public std::enable_shared_from_this<GrpcDevicePlugin::Core> {
public:
    Core(UniqueFd socket, clock::EventLoop& loop, std::chrono::nanoseconds limit)
        : stub(v1beta1::DevicePlugin::NewStub(plugin::channelOver(std::move(socket)))), gate(std::make_shared<LoopGate>(loop)),
          optionsLimit(limit) {}

    // `start` picks the method of the stub; `done(status, response)` comes on the loop.
    template <typename Request, typename Response, typename Start, typename Finished>
    void unary(const std::shared_ptr<Call<Request, Response>>& call, Start start, Finished done) {
        contexts.insert(call->context);
        std::function<void(grpc::Status)> onStatus = [core = shared_from_this(), call,
                                                      done = std::move(done)](const grpc::Status& status) {
            core->gate->post([core, call, done, status] {
                core->contexts.erase(call->context);
                done(status, call->response);
            });
        };
        const Request* request = &call->request;
        start(stub->async(), call->context.get(), request, &call->response, onStatus);
    }

    void cancelAll() {
        for (const auto& context : contexts)
            context->TryCancel();
    }

    std::unique_ptr<v1beta1::DevicePlugin::Stub> stub;
    std::shared_ptr<LoopGate> gate;
    std::chrono::nanoseconds optionsLimit;
    std::set<std::shared_ptr<grpc::ClientContext>> contexts; // in flight; touched on the loop only
};

namespace {

// The ListAndWatch stream; owns itself until OnDone.
template <typename Core>
class DeviceStream final : public grpc::ClientReadReactor<v1beta1::ListAndWatchResponse> {
public:
    DeviceStream(std::shared_ptr<Core> core, std::function<void(std::vector<cluster::PluginDevice>)> onList,
                 std::function<void(std::string)> onEnd)
        : core_(std::move(core)), onList_(std::make_shared<decltype(onList)>(std::move(onList))), onEnd_(std::move(onEnd)) {
        core_->contexts.insert(context_);
        core_->stub->async()->ListAndWatch(context_.get(), &request_, this);
        StartRead(&message_);
        StartCall();
    }

    void OnReadDone(bool ok) override {
        if (!ok)
            return; // OnDone follows
        core_->gate->post([onList = onList_, devices = convert(message_)] { (*onList)(devices); });
        StartRead(&message_);
    }

    void OnDone(const grpc::Status& status) override {
        core_->gate->post([core = core_, context = context_, onEnd = std::move(onEnd_), status] {
            core->contexts.erase(context);
            onEnd(status.ok() ? "EOF" : plugin::goRpcError(status)); // EOF is what Go's stream returns
        });
        delete this;
    }

private:
    std::shared_ptr<Core> core_;
    std::shared_ptr<grpc::ClientContext> context_ = std::make_shared<grpc::ClientContext>();
    std::shared_ptr<std::function<void(std::vector<cluster::PluginDevice>)>> onList_;
    std::function<void(std::string)> onEnd_;
    v1beta1::Empty request_;
    v1beta1::ListAndWatchResponse message_;
};

} // namespace

GrpcDevicePlugin::GrpcDevicePlugin(UniqueFd socket, clock::EventLoop& loop, std::chrono::nanoseconds optionsLimit)
    : core_(std::make_shared<Core>(std::move(socket), loop, optionsLimit)) {}

GrpcDevicePlugin::~GrpcDevicePlugin() {
    core_->gate->close();
    core_->cancelAll();
}

void GrpcDevicePlugin::disconnect() {
    core_->cancelAll();
}

void GrpcDevicePlugin::options(Callback<cluster::DevicePluginOptions> reply) {
    auto call = std::make_shared<Call<v1beta1::Empty, v1beta1::DevicePluginOptions>>();
    call->context->set_deadline(std::chrono::system_clock::now() +
                                std::chrono::duration_cast<std::chrono::system_clock::duration>(core_->optionsLimit));
    core_->unary(
        call, [](auto* stub, auto... arguments) { stub->GetDevicePluginOptions(arguments...); },
        [reply = std::move(reply)](const grpc::Status& status, const v1beta1::DevicePluginOptions& response) {
            using Answer = Result<cluster::DevicePluginOptions>;
            if (status.ok())
                reply(Answer::success({response.pre_start_required(), response.get_preferred_allocation_available()}));
            else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
                reply(Answer::failure("failed to dial device plugin: context deadline exceeded"));
            else
                reply(Answer::failure(plugin::goRpcError(status)));
        });
}

void GrpcDevicePlugin::listAndWatch(std::function<void(std::vector<cluster::PluginDevice>)> onList,
                                    std::function<void(std::string)> onEnd) {
    new DeviceStream<Core>(core_, std::move(onList), std::move(onEnd)); // deletes itself
}

void GrpcDevicePlugin::preferredAllocation(const std::vector<std::string>& available, const std::vector<std::string>& mustInclude,
                                           int size, Callback<std::vector<std::string>> reply) {
    auto call = std::make_shared<Call<v1beta1::PreferredAllocationRequest, v1beta1::PreferredAllocationResponse>>();
    auto* container = call->request.add_container_requests();
    for (const auto& id : available)
        container->add_available_deviceids(id);
    for (const auto& id : mustInclude)
        container->add_must_include_deviceids(id);
    container->set_allocation_size(size);
    core_->unary(
        call, [](auto* stub, auto... arguments) { stub->GetPreferredAllocation(arguments...); },
        [reply = std::move(reply)](const grpc::Status& status, const v1beta1::PreferredAllocationResponse& response) {
            using Answer = Result<std::vector<std::string>>;
            if (!status.ok())
                return reply(Answer::failure(plugin::goRpcError(status)));
            std::vector<std::string> ids;
            if (response.container_responses_size() > 0) {
                const auto& first = response.container_responses(0).deviceids();
                ids.assign(first.begin(), first.end());
            }
            reply(Answer::success(std::move(ids)));
        });
}

void GrpcDevicePlugin::allocate(const std::vector<std::string>& ids, Callback<std::optional<cluster::AllocateResponse>> reply) {
    auto call = std::make_shared<Call<v1beta1::AllocateRequest, v1beta1::AllocateResponse>>();
    auto* container = call->request.add_container_requests();
    for (const auto& id : ids)
        container->add_devices_ids(id);
    core_->unary(
        call, [](auto* stub, auto... arguments) { stub->Allocate(arguments...); },
        [reply = std::move(reply)](const grpc::Status& status, const v1beta1::AllocateResponse& response) {
            using Answer = Result<std::optional<cluster::AllocateResponse>>;
            if (!status.ok())
                reply(Answer::failure(plugin::goRpcError(status)));
            else if (response.container_responses_size() == 0)
                reply(Answer::success(std::nullopt));
            else
                reply(Answer::success(convert(response.container_responses(0))));
        });
}

void GrpcDevicePlugin::preStartContainer(const std::vector<std::string>& ids, Callback<cluster::Done> reply) {
    auto call = std::make_shared<Call<v1beta1::PreStartContainerRequest, v1beta1::PreStartContainerResponse>>();
    for (const auto& id : ids)
        call->request.add_devices_ids(id);
    call->context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30)); // constants.go
    core_->unary(
        call, [](auto* stub, auto... arguments) { stub->PreStartContainer(arguments...); },
        [reply = std::move(reply)](const grpc::Status& status, const v1beta1::PreStartContainerResponse&) {
            using Answer = Result<cluster::Done>;
            reply(status.ok() ? Answer::success({}) : Answer::failure(plugin::goRpcError(status)));
        });
}

} // namespace rdmalab::harness
