#include "harness/netns/supervision.h"

#include "fakekernel/supervised.h"
#include "util/syscall.h"

namespace rdmalab::harness {

namespace {

class SupervisionHook final : public LaunchHook {
public:
    SupervisionHook(fakekernel::Supervisor& supervisor, std::shared_ptr<fakekernel::Handler> handler)
        : supervisor_(supervisor), handler_(std::move(handler)), launch_(*handler_) {}

    int childDescriptor() const override { return launch_.childDescriptor(); }
    void inChild() override {
        if (const int error = launch_.installInChild())
            throw SystemError("install the supervisor's filter (seccomp user notification)", error);
    }
    void inParent() override { launch_.takeInParent(supervisor_, handler_); }

private:
    fakekernel::Supervisor& supervisor_;
    std::shared_ptr<fakekernel::Handler> handler_;
    fakekernel::SupervisedLaunch launch_;
};

} // namespace

std::function<std::unique_ptr<LaunchHook>()> supervisedBy(fakekernel::Supervisor& supervisor,
                                                          std::shared_ptr<fakekernel::Handler> handler) {
    return [&supervisor, handler = std::move(handler)] { return std::make_unique<SupervisionHook>(supervisor, handler); };
}

} // namespace rdmalab::harness
