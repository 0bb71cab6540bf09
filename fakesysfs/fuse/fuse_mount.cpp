#include "fakesysfs/fuse_mount.h"

#include "fakesysfs/fuse/invalidator.h"
#include "fakesysfs/fuse/machine_changes.h"
#include "fakesysfs/fuse/mount_point.h"
#include "fakesysfs/fuse/mounted_tree.h"
#include "fakesysfs/fuse/service.h"
#include "fakesysfs/fuse/session.h"
#include "fakesysfs/fuse/tree_mount.h"
#include "sim/hardware/live_machine.h"

#include <optional>

namespace rdmalab::fakesysfs {
namespace {

class MachineLock : public TreeLock {
public:
    explicit MachineLock(hardware::LiveMachine& machine) : machine_(machine) {}
    void lock() override { access_.emplace(machine_.lock()); }
    void unlock() override { access_.reset(); }

private:
    hardware::LiveMachine& machine_;
    std::optional<hardware::LiveMachine::Access> access_; // only touched by who holds it, as the mount's requests take turns
};

} // namespace

FuseService::FuseService() : impl_(std::make_unique<Impl>()) {}
FuseService::~FuseService() = default;

class SysfsMount::Impl {
public:
    Impl(FuseService& service, hardware::LiveMachine& machine, View view, const std::string& path)
        : machine_(machine), lock_(machine), tree_(*machine.lock(), std::move(view)),
          mount_(service.impl(), &machine, tree_, lock_, path) {
        const auto access = machine_.lock();
        subscription_ = access->observe([this, &seen = *access](const hardware::HardwareEvent& event) {
            if (const Changes changes = changesOf(seen, event); changes.any())
                mount_.changed(changes);
        });
        // What happened between the mount and the subscription.
        mount_.changed({true, {}});
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        const auto access = machine_.lock();
        subscription_ = {};
    }

    bool settle() { return mount_.settle(); }
    const std::string& path() const noexcept { return mount_.path(); }

private:
    hardware::LiveMachine& machine_;
    MachineLock lock_;
    Tree tree_;
    TreeMount mount_;
    hardware::Machine::Subscription subscription_;
};

SysfsMount::SysfsMount(FuseService& service, hardware::LiveMachine& machine, View view, const std::string& mountPoint)
    : impl_(std::make_unique<Impl>(service, machine, std::move(view), mountPoint)) {}
SysfsMount::~SysfsMount() = default;

bool SysfsMount::settle() {
    return impl_->settle();
}

const std::string& SysfsMount::mountPoint() const noexcept {
    return impl_->path();
}

} // namespace rdmalab::fakesysfs
