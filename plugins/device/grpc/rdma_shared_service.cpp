#include "plugins/device/grpc/rdma_shared_service.h"

#include <fmt/format.h>

namespace rdmalab::plugin {

namespace {
grpc::ServerUnaryReactor* answerOk(grpc::CallbackServerContext* context) {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
}
} // namespace

// One ListAndWatch call. Owns itself until gRPC says OnDone; update() may hold it a little longer.
class RdmaSharedService::Stream final : public grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse> {
public:
    static Stream* open(RdmaSharedService& service) {
        auto stream = std::make_shared<Stream>(service);
        stream->self_ = stream;
        {
            const std::lock_guard lock(service.mutex_);
            service.streams_.insert(stream);
        }
        stream->send();
        return stream.get();
    }
    explicit Stream(RdmaSharedService& service) : service_(service) {}

    void send() {
        {
            const std::lock_guard lock(mutex_);
            if (cancelled_)
                return;
            if (writing_) {
                again_ = true;
                return;
            }
            writing_ = true;
        }
        message_ = service_.list();
        service_.log_(fmt::format("exposing \"{}\" devices", message_.devices_size()));
        StartWrite(&message_);
    }

    void OnWriteDone(bool ok) override {
        bool end = false, more = false;
        {
            const std::lock_guard lock(mutex_);
            writing_ = false;
            more = std::exchange(again_, false) && ok && !cancelled_;
            end = cancelled_ || !ok;
        }
        if (end)
            finish();
        else if (more)
            send();
    }

    void OnCancel() override {
        bool end = false;
        {
            const std::lock_guard lock(mutex_);
            cancelled_ = true;
            end = !writing_; // otherwise OnWriteDone ends it: no status may overtake a message
        }
        if (end)
            finish();
    }

    void OnDone() override {
        {
            const std::lock_guard lock(service_.mutex_);
            service_.streams_.erase(self_);
        }
        service_.log_("ListAndWatch stream close: context canceled");
        auto last = std::move(self_);
    }

private:
    void finish() {
        {
            const std::lock_guard lock(mutex_);
            cancelled_ = true;
            if (std::exchange(finished_, true))
                return;
        }
        Finish(grpc::Status::CANCELLED);
    }

    RdmaSharedService& service_;
    std::shared_ptr<Stream> self_;
    v1beta1::ListAndWatchResponse message_; // touched by the writer only
    std::mutex mutex_;
    bool writing_ = false, again_ = false, cancelled_ = false, finished_ = false; // guarded by mutex_
};

RdmaSharedService::RdmaSharedService(RsdpResource resource, PluginLog log)
    : log_(std::move(log)), resource_(std::move(resource)) {}

RdmaSharedService::~RdmaSharedService() = default;

v1beta1::ListAndWatchResponse RdmaSharedService::list() const {
    const std::lock_guard lock(mutex_);
    log_(fmt::format("Updating \"{}\" devices", resource_.fullName));
    v1beta1::ListAndWatchResponse response;
    for (std::int64_t id = 0; id < resource_.deviceCount; ++id) {
        auto* device = response.add_devices();
        device->set_id(std::to_string(id));
        device->set_health("Healthy");
    }
    return response;
}

void RdmaSharedService::update(RsdpResource resource) {
    std::set<std::shared_ptr<Stream>> streams; // send() needs the mutex itself
    {
        const std::lock_guard lock(mutex_);
        resource_ = std::move(resource);
        streams = streams_;
    }
    for (const auto& stream : streams)
        stream->send();
}

grpc::ServerUnaryReactor* RdmaSharedService::GetDevicePluginOptions(grpc::CallbackServerContext* context, const v1beta1::Empty*,
                                                                    v1beta1::DevicePluginOptions*) {
    return answerOk(context);
}

grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* RdmaSharedService::ListAndWatch(grpc::CallbackServerContext*,
                                                                                         const v1beta1::Empty*) {
    {
        const std::lock_guard lock(mutex_);
        log_("ListAndWatch called by kubelet for: " + resource_.fullName);
    }
    return Stream::open(*this);
}

grpc::ServerUnaryReactor* RdmaSharedService::GetPreferredAllocation(grpc::CallbackServerContext* context,
                                                                    const v1beta1::PreferredAllocationRequest*,
                                                                    v1beta1::PreferredAllocationResponse*) {
    return answerOk(context);
}

grpc::ServerUnaryReactor* RdmaSharedService::Allocate(grpc::CallbackServerContext* context,
                                                      const v1beta1::AllocateRequest* request,
                                                      v1beta1::AllocateResponse* response) {
    log_("allocate request: " + request->ShortDebugString());
    {
        const std::lock_guard lock(mutex_);
        // The ids are not looked at: every container gets every node of every HCA.
        for (int i = 0; i < request->container_requests_size(); ++i) {
            auto* container = response->add_container_responses();
            for (const std::string& node : resource_.nodes) {
                auto* device = container->add_devices();
                device->set_container_path(node);
                device->set_host_path(node);
                device->set_permissions("rwm");
            }
        }
    }
    log_("allocate response: " + response->ShortDebugString());
    return answerOk(context);
}

grpc::ServerUnaryReactor* RdmaSharedService::PreStartContainer(grpc::CallbackServerContext* context,
                                                               const v1beta1::PreStartContainerRequest*,
                                                               v1beta1::PreStartContainerResponse*) {
    return answerOk(context);
}

grpc::ServerUnaryReactor* RegistrationService::GetInfo(grpc::CallbackServerContext* context,
                                                       const pluginregistration::InfoRequest*,
                                                       pluginregistration::PluginInfo* response) {
    response->set_type("DevicePlugin");
    response->set_name(resourceName_);
    response->set_endpoint(endpoint_);
    response->add_supported_versions("v1alpha1");
    response->add_supported_versions("v1beta1");
    return answerOk(context);
}

grpc::ServerUnaryReactor* RegistrationService::NotifyRegistrationStatus(grpc::CallbackServerContext* context,
                                                                        const pluginregistration::RegistrationStatus* request,
                                                                        pluginregistration::RegistrationStatusResponse*) {
    onStatus_(request->plugin_registered(), request->error());
    return answerOk(context);
}

} // namespace rdmalab::plugin
