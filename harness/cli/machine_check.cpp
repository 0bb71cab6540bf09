#include "harness/cli/machine_check.h"

#include "fakekernel/supervisor.h"
#include "fakekernel/sysfs_mounts.h"
#include "fakesysfs/fuse_mount.h"
#include "harness/netns/fabric_wiring.h"
#include "harness/netns/supervision.h"
#include "harness/sandbox/lab.h"
#include "harness/sandbox/namespaces.h"
#include "harness/sandbox/pod_sandbox.h"
#include "harness/sandbox/root_filesystem.h"
#include "plugins/kernel/linux_kernel.h"
#include "sim/hardware/live_machine.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <functional>
#include <memory>

namespace rdmalab::harness {

namespace {

using nlohmann::json;

bool inPath(const std::string& program) {
    for (const char* dir : {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"})
        if (::access((dir + program).c_str(), X_OK) == 0)
            return true;
    return false;
}

// Runs in the lab: each attempt as the tier itself makes it.
json tryEverything(const LabPlace& place) {
    json results = json::array();
    const auto attempt = [&](const std::string& what, const std::string& remedy, const std::function<void()>& work) {
        std::string error;
        try {
            work();
        } catch (const std::exception& failure) {
            error = failure.what();
        }
        results.push_back(
            {{"what", what}, {"ok", error.empty()}, {"detail", error.empty() ? "works" : error}, {"remedy", remedy}});
        return error.empty();
    };
    const UniqueFd network = newNetworkNamespace();
    attempt("bridge and veth", "a kernel with CONFIG_BRIDGE and CONFIG_VETH (modprobe bridge veth)", [&] {
        addSwitchBridge("sw0", 0);
        wirePort({"eth9", "02:00:00:00:00:01", "p0", "sw0", 1500, true}, network);
    });
    attempt("macvlan", "a kernel with CONFIG_MACVLAN (modprobe macvlan)", [&] {
        plugin::LinuxKernel node(network.get());
        const UniqueFd pod = newNetworkNamespace();
        plugin::LinuxKernel target(pod.get());
        plugin::MacvlanSpec spec;
        spec.name = "eth0";
        const auto master = node.linkByName("eth9");
        spec.masterIndex = master ? master->index : 0;
        node.addMacvlan(spec, target);
    });
    hardware::MachineSpec spec;
    spec.name = "check";
    hardware::LiveMachine machine(spec);
    const std::string sys = place.base + "/sys";
    makeDirectories(sys);
    std::unique_ptr<fakesysfs::FuseService> service;
    std::unique_ptr<fakesysfs::SysfsMount> mount;
    attempt("fake /sys (FUSE)", "a kernel with CONFIG_FUSE_FS (modprobe fuse); in a container, --device /dev/fuse", [&] {
        service = std::make_unique<fakesysfs::FuseService>();
        mount = std::make_unique<fakesysfs::SysfsMount>(*service, machine, fakesysfs::View{}, sys);
    });
    attempt("overlay file system and device nodes",
            "overlayfs (modprobe overlay) and CAP_MKNOD; in a container, run it with --privileged", [&] {
                RootSpec root;
                root.scratch = place.base + "/check";
                root.sys = sys;
                root.devices = {{"/dev/infiniband/uverbs0", 231, 192, 0666}};
                const PodSandbox sandbox(network, "check");
                ProcessSpec process;
                process.argv = {"sh", "-c",
                                "test -c /dev/infiniband/uverbs0" + std::string(mount ? " && test -d /sys/class/net/lo" : "")};
                process.environment = {{"PATH", "/usr/bin:/bin"}};
                process.namespaces = &sandbox.namespaces();
                process.prepare = [&root] {
                    checked("unshare mounts", ::unshare(CLONE_NEWNS));
                    enterNewRoot(root);
                };
                const auto result = runProcess(process, {}, 10);
                if (result.status.code != 0)
                    throw std::runtime_error("a container does not see its devices and its /sys: " + result.errors);
            });
    attempt("supervised system calls (seccomp user notification)",
            "Linux 5.14 or newer with CONFIG_SECCOMP_FILTER; not under another supervisor (runc's seccompNotify)", [&] {
                // mount(2) of a sysfs is what is supervised: it must reach the fake one.
                struct Everywhere final : fakekernel::SysfsSource {
                    explicit Everywhere(std::string path) : place(std::move(path)) {}
                    std::string mountPointFor(const fakekernel::NamespaceHandle&) override { return place; }
                    std::string place;
                };
                if (!mount)
                    throw std::runtime_error("needs the fake /sys");
                fakekernel::Supervisor supervisor;
                const auto handler = std::make_shared<fakekernel::SysfsMounts>(std::make_shared<Everywhere>(sys));
                ProcessSpec process;
                process.argv = {"unshare", "-m", "sh", "-c",
                                "mount -t sysfs none /mnt && test ! -e /mnt/firmware/acpi && "
                                "test -d /mnt/bus/pci/devices"};
                process.environment = {{"PATH", "/usr/bin:/bin:/usr/sbin:/sbin"}};
                process.supervise = supervisedBy(supervisor, handler);
                const auto result = runProcess(process, {}, 10);
                if (result.status.code != 0)
                    throw std::runtime_error("a fresh sysfs was not answered: " + result.errors);
            });
    attempt("iptables with connection marks", "package iptables and a kernel with CONFIG_NETFILTER_XT_CONNMARK", [&] {
        plugin::LinuxKernel pod(network.get());
        pod.ensureIptablesRules({{"-t", "mangle", "-A", "OUTPUT", "-j", "CONNMARK", "--restore-mark"}}, 2);
    });
    return results;
}

} // namespace

std::vector<MachineCheck> checkMachine(const std::string& pluginDirectory) {
    std::vector<MachineCheck> checks;
    utsname kernel{};
    ::uname(&kernel);
    checks.push_back({"kernel", true, std::string(kernel.sysname) + " " + kernel.release, "", false});
    const bool root = ::geteuid() == 0;
    checks.push_back(
        {"root", root, root ? "yes" : fmt::format("running as user {}", ::geteuid()), root ? "" : "run it with sudo"});
    const bool plugins = ::access((pluginDirectory + "/multus").c_str(), X_OK) == 0;
    checks.push_back({"plugin executables", plugins, pluginDirectory + (plugins ? "" : " does not hold them"),
                      plugins ? "" : "build the whole project: they lie beside the rdmalab command"});
    if (root && plugins) {
        int fds[2];
        checked("pipe", ::pipe2(fds, O_CLOEXEC));
        UniqueFd in(fds[0]), out(fds[1]);
        std::string text;
        try {
            ChildProcess lab = startLab(pluginDirectory, [&](const LabPlace& place) {
                const std::string answer = tryEverything(place).dump();
                checked("write", ::write(out.get(), answer.data(), answer.size()));
                return 0;
            });
            out.reset();
            char buffer[4096];
            for (ssize_t got; (got = ::read(in.get(), buffer, sizeof buffer)) > 0;)
                text.append(buffer, static_cast<std::size_t>(got));
            lab.wait();
        } catch (const std::exception& error) {
            text = error.what();
        }
        const json results = json::parse(text, nullptr, false);
        const bool lab = results.is_array();
        checks.push_back({"namespaces (pid, mount, network)", lab, lab ? "works" : "the lab could not be made: " + text,
                          lab ? "" : "CAP_SYS_ADMIN is missing; in a container, run it with --privileged"});
        if (lab)
            for (const auto& result : results)
                checks.push_back({result.at("what"), result.at("ok"), result.at("detail"),
                                  result.at("ok") ? "" : result.at("remedy").get<std::string>()});
    }
    checks.push_back({"iproute2", inPath("ip"), inPath("ip") ? "there" : "no ip command for probes that call it",
                      "apt-get install iproute2", false});
    return checks;
}

std::string netnsUnavailable(const std::vector<MachineCheck>& checks) {
    for (const auto& check : checks)
        if (check.needed && !check.ok)
            return check.what + ": " + check.detail + (check.remedy.empty() ? "" : "; " + check.remedy);
    return {};
}

} // namespace rdmalab::harness
