// For tests: the test program in a network and a mount namespace of its own, as a lab is.
#pragma once

#include "harness/sandbox/namespaces.h"
#include "plugins/kernel/linux_kernel.h"
#include "sim/hardware/machine_spec.h"
#include "util/syscall.h"

#include <gtest/gtest.h>

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <optional>
#include <string>

namespace rdmalab::harness {

class NetnsTest : public testing::Test {
protected:
    // Once for the program: its tests make their own nodes, on switches of their own.
    void SetUp() override {
        if (::geteuid() != 0)
            GTEST_SKIP() << "namespaces need root";
        static const bool entered = [] {
            checked("unshare", ::unshare(CLONE_NEWNET | CLONE_NEWNS));
            checked("make mounts private", ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
            checked("mount tmpfs", ::mount("test", "/tmp", "tmpfs", 0, "mode=755"));
            return true;
        }();
        ASSERT_TRUE(entered);
    }

    // Two ports of a ConnectX-5.
    static hardware::MachineSpec connectX5(const std::string& name) {
        hardware::MachineSpec spec;
        spec.name = name;
        for (const int port : {0, 1}) {
            hardware::NicSpec nic;
            nic.model = "ConnectX-5";
            nic.pci = "0000:af:00." + std::to_string(port);
            nic.netdev = "ens6f" + std::to_string(port) + "np" + std::to_string(port);
            nic.rdma = "mlx5_" + std::to_string(port);
            nic.totalVfs = 8;
            spec.nics.push_back(nic);
        }
        return spec;
    }

    // Waits until `descriptor` is readable; false after ten seconds.
    static bool readable(int descriptor) {
        pollfd one{descriptor, POLLIN, 0};
        return ::poll(&one, 1, 10'000) > 0;
    }
};

} // namespace rdmalab::harness
