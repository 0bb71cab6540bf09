#include "harness/kubelet/kubelet_server.h"

#include "plugins/device/api/deviceplugin_v1beta1.grpc.pb.h"
#include "plugins/device/api/podresources_v1.grpc.pb.h"
#include "plugins/device/grpc/unix_channel.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <map>
#include <mutex>
#include <stdexcept>

namespace rdmalab::harness {

namespace {

// Unary calls that wait for the loop. A server cannot go before each of them has been finished, exactly once.
class OpenCalls {
public:
    using Id = std::uint64_t;

    // From a gRPC thread. 0: the server is going, and the call has been refused.
    Id add(grpc::ServerUnaryReactor* reactor) {
        const std::lock_guard lock(mutex_);
        if (closed_) {
            reactor->Finish(going());
            return 0;
        }
        open_.emplace(++last_, reactor);
        return last_;
    }
    bool has(Id id) {
        const std::lock_guard lock(mutex_);
        return open_.contains(id);
    }
    void finish(Id id, const grpc::Status& status) {
        const std::lock_guard lock(mutex_);
        if (const auto node = open_.extract(id))
            node.mapped()->Finish(status);
    }
    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        for (const auto& [id, reactor] : open_)
            reactor->Finish(going());
        open_.clear();
    }

private:
    static grpc::Status going() { return {grpc::StatusCode::UNAVAILABLE, "kubelet is stopping"}; }

    std::mutex mutex_;
    std::map<Id, grpc::ServerUnaryReactor*> open_;
    Id last_ = 0;
    bool closed_ = false;
};

class RegistrationService final : public v1beta1::Registration::CallbackService {
public:
    RegistrationService(std::shared_ptr<OpenCalls> calls, std::shared_ptr<LoopGate> gate,
                        cluster::NodeHost::RegistrationHandler handler)
        : calls_(std::move(calls)), gate_(std::move(gate)), handler_(std::move(handler)) {}

    grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context, const v1beta1::RegisterRequest* request,
                                       v1beta1::Empty*) override {
        auto* reactor = context->DefaultReactor();
        const auto id = calls_->add(reactor);
        if (id == 0)
            return reactor;
        gate_->post([calls = calls_, id, handler = handler_,
                     asked = cluster::RegisterRequest{request->version(), request->endpoint(), request->resource_name()}] {
            handler(asked, [calls, id](const cluster::Result<cluster::Done>& result) {
                calls->finish(id, result ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNKNOWN, result.error));
            });
        });
        return reactor;
    }

private:
    std::shared_ptr<OpenCalls> calls_;
    std::shared_ptr<LoopGate> gate_;
    cluster::NodeHost::RegistrationHandler handler_;
};

void fill(const PodResourcesDevices& devices, v1::ContainerDevices& message) {
    message.set_resource_name(devices.resourceName);
    for (const std::string& id : devices.deviceIds)
        message.add_device_ids(id);
    for (const std::int64_t node : devices.numaNodes)
        message.mutable_topology()->add_nodes()->set_id(node);
}

void fill(const PodResourcesPod& pod, v1::PodResources& message) {
    message.set_name(pod.name);
    message.set_namespace_(pod.podNamespace);
    for (const PodResourcesContainer& container : pod.containers) {
        auto* added = message.add_containers();
        added->set_name(container.name);
        for (const PodResourcesDevices& devices : container.devices)
            fill(devices, *added->add_devices());
    }
}

class PodResourcesService final : public v1::PodResourcesLister::CallbackService {
public:
    PodResourcesService(std::shared_ptr<OpenCalls> calls, std::shared_ptr<LoopGate> gate, PodResourcesProvider provider)
        : calls_(std::move(calls)), gate_(std::move(gate)), provider_(std::move(provider)) {}

    grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context, const v1::ListPodResourcesRequest*,
                                   v1::ListPodResourcesResponse* response) override {
        return onLoop(context, [provider = provider_, response] {
            if (provider.pods)
                for (const PodResourcesPod& pod : provider.pods())
                    fill(pod, *response->add_pod_resources());
            return grpc::Status::OK;
        });
    }

    grpc::ServerUnaryReactor* GetAllocatableResources(grpc::CallbackServerContext* context,
                                                      const v1::AllocatableResourcesRequest*,
                                                      v1::AllocatableResourcesResponse* response) override {
        return onLoop(context, [provider = provider_, response] {
            if (provider.allocatable)
                for (const PodResourcesDevices& devices : provider.allocatable())
                    fill(devices, *response->add_devices());
            return grpc::Status::OK;
        });
    }

    grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetPodResourcesRequest* request,
                                  v1::GetPodResourcesResponse* response) override {
        return onLoop(context, [provider = provider_, name = request->pod_name(), ns = request->pod_namespace(), response] {
            if (provider.pods)
                for (const PodResourcesPod& pod : provider.pods())
                    if (pod.name == name && pod.podNamespace == ns) {
                        fill(pod, *response->mutable_pod_resources());
                        return grpc::Status::OK;
                    }
            return grpc::Status(grpc::StatusCode::UNKNOWN, fmt::format("pod {} in namespace {} not found", name, ns));
        });
    }

private:
    template <typename Answer>
    grpc::ServerUnaryReactor* onLoop(grpc::CallbackServerContext* context, Answer answer) {
        auto* reactor = context->DefaultReactor();
        if (const auto id = calls_->add(reactor); id != 0)
            gate_->post([calls = calls_, id, answer = std::move(answer)] {
                if (calls->has(id)) // otherwise the response is gone
                    calls->finish(id, answer());
            });
        return reactor;
    }

    std::shared_ptr<OpenCalls> calls_;
    std::shared_ptr<LoopGate> gate_;
    PodResourcesProvider provider_;
};

std::unique_ptr<grpc::Server> serve(const std::string& socket, grpc::Service& service) {
    plugin::keepGrpcThreads();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    auto server = builder.BuildAndStart();
    if (!server)
        throw std::runtime_error("kubelet cannot listen on " + socket);
    return server;
}

} // namespace

class KubeletServer::Impl {
public:
    Impl(const std::string& registrationSocket, const std::string& podResourcesSocket, const std::shared_ptr<LoopGate>& gate,
         cluster::NodeHost::RegistrationHandler handler, PodResourcesProvider podResources)
        : registrationService_(calls_, gate, std::move(handler)), podResourcesService_(calls_, gate, std::move(podResources)),
          podResourcesServer_(serve(podResourcesSocket, podResourcesService_)),
          registrationServer_(serve(registrationSocket, registrationService_)) {}

    ~Impl() {
        calls_->close();
        const auto now = std::chrono::system_clock::now();
        registrationServer_->Shutdown(now);
        podResourcesServer_->Shutdown(now);
    }

private:
    std::shared_ptr<OpenCalls> calls_ = std::make_shared<OpenCalls>();
    RegistrationService registrationService_;
    PodResourcesService podResourcesService_;
    std::unique_ptr<grpc::Server> podResourcesServer_, registrationServer_; // go before the services
};

KubeletServer::KubeletServer(const std::string& registrationSocket, const std::string& podResourcesSocket,
                             std::shared_ptr<LoopGate> gate, cluster::NodeHost::RegistrationHandler handler,
                             PodResourcesProvider podResources)
    : impl_(std::make_unique<Impl>(registrationSocket, podResourcesSocket, gate, std::move(handler), std::move(podResources))) {}

KubeletServer::~KubeletServer() = default;

} // namespace rdmalab::harness
