// A machine that several threads look at and change.
#pragma once

#include "sim/hardware/machine.h"

#include <mutex>

namespace rdmalab::hardware {

// Held for moments only: never while waiting for another process or for anything that may be looking at a fake /sys.
// Observers of the machine run with the lock held by whoever made the change.
class LiveMachine {
public:
    explicit LiveMachine(const MachineSpec& spec) : machine_(spec) {}
    LiveMachine(const MachineSpec& spec, const Catalogue& catalogue) : machine_(spec, catalogue) {}

    class Access {
    public:
        Machine& operator*() const noexcept { return machine_; }
        Machine* operator->() const noexcept { return &machine_; }

    private:
        friend class LiveMachine;
        explicit Access(LiveMachine& live) : lock_(live.mutex_), machine_(live.machine_) {}
        std::unique_lock<std::mutex> lock_;
        Machine& machine_;
    };
    Access lock() { return Access(*this); }

private:
    std::mutex mutex_;
    Machine machine_;
};

} // namespace rdmalab::hardware
