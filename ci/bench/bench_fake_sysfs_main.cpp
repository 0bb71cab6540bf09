// bench_fake_sysfs [NICS [VFS [ROUNDS]]]: a fake /sys of NICS cards (8) with VFS VFs each (127) against the same tree exported
// to a tmpfs. Needs root and /dev/fuse; everything happens in a mount namespace of its own.
//
// Rows: the first run after the mount, and the median of ROUNDS (5) more; the two sides take turns, so that a busy moment of the
// machine hits both. CPU time is that of the program and of the server, of all rounds: what remains comparable on a machine that
// has other things to do.
#include "fakesysfs/export.h"
#include "fakesysfs/fuse_mount.h"
#include "fakesysfs/tree.h"
#include "sim/hardware/live_machine.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

using namespace rdmalab;

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

double timed(const std::function<void()>& action) {
    const auto begin = Clock::now();
    action();
    return milliseconds(Clock::now() - begin);
}

double residentMiB() {
    std::ifstream file("/proc/self/statm");
    std::size_t all = 0, resident = 0;
    file >> all >> resident;
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

// Output is thrown away.
void run(const std::string& command) {
    const pid_t child = checked("fork", fork());
    if (child == 0) {
        const int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; ++fd)
            dup2(null, fd);
        execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
        _exit(127);
    }
    int status = 0;
    checked("wait", waitpid(child, &status, 0));
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 127)
        throw SystemError("run " + command, EINVAL);
}

double cpuMilliseconds() {
    double sum = 0;
    for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
        rusage used{};
        checked("getrusage", getrusage(who, &used));
        for (const timeval& time : {used.ru_utime, used.ru_stime})
            sum += static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
    }
    return sum;
}

std::size_t entries(const std::string& path) {
    DIR* directory = opendir(path.c_str());
    if (!directory)
        throw SystemError("open " + path, errno);
    std::size_t count = 0;
    while (const dirent* entry = readdir(directory))
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

hardware::MachineSpec specOf(unsigned nics) {
    hardware::MachineSpec spec;
    spec.name = "bench";
    for (unsigned i = 0; i < nics; ++i) {
        hardware::NicSpec nic;
        nic.model = "ConnectX-5";
        nic.pci = fmt::format("0000:{:02x}:00.0", 0x10 + i * 0x10);
        spec.nics.push_back(nic);
    }
    return spec;
}

int bench(unsigned nics, unsigned vfs, unsigned rounds) {
    checked("unshare", unshare(CLONE_NEWNS));
    checked("make mounts private", mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    checked("mount a tmpfs", mount("tmpfs", "/mnt", "tmpfs", 0, nullptr));
    const std::string ours = "/mnt/fuse", plain = "/mnt/tmpfs";
    for (const std::string& path : {ours, plain})
        checked("mkdir " + path, mkdir(path.c_str(), 0755));

    hardware::LiveMachine machine(specOf(nics));
    std::vector<hardware::PciAddress> pfs;
    for (const auto& nic : machine.lock()->nics())
        pfs.push_back(nic->pci.address);
    for (const hardware::PciAddress& pf : pfs)
        machine.lock()->setNumVfs(pf, vfs);

    // In a child, so that the memory it takes is not counted below.
    const pid_t exporter = checked("fork", fork());
    if (exporter == 0) {
        try {
            const auto begin = Clock::now();
            const auto access = machine.lock();
            const fakesysfs::Tree tree(std::as_const(*access), {});
            const fakesysfs::ExportResult done = fakesysfs::exportTree(tree, plain);
            fmt::print("exported: {} directories, {} files, {} links in {:.0f} ms\n", done.directories, done.files, done.links,
                       milliseconds(Clock::now() - begin));
            std::fflush(stdout);
            _exit(0);
        } catch (const std::exception& error) {
            std::cerr << error.what() << std::endl;
        }
        _exit(1);
    }
    int exported = 0;
    checked("wait", waitpid(exporter, &exported, 0));
    if (exported != 0)
        throw SystemError("export the tree", EIO);

    fakesysfs::FuseService service;
    const double before = residentMiB();
    const auto begin = Clock::now();
    const fakesysfs::SysfsMount mount(service, machine, {}, ours);
    const double mounted = milliseconds(Clock::now() - begin);
    const std::size_t functions = entries(ours + "/bus/pci/devices");
    const double complete = milliseconds(Clock::now() - begin);
    fmt::print("{} NICs x {} VFs: mounted in {:.1f} ms, {} PCI functions listed after {:.1f} ms\n", nics, vfs, mounted, functions,
               complete);
    fmt::print("resident: {:.1f} MiB before, {:.1f} MiB with the mount\n", before, residentMiB());

    struct Row {
        const char* name;
        const char* command; // {} is the directory
    };
    const Row rows[] = {
        {"lspci -nn", "lspci -nn -O sysfs.path={0}/bus/pci"},
        {"lspci -vv", "lspci -vv -O sysfs.path={0}/bus/pci"},
        {"ls -l bus/pci/devices", "ls -l {0}/bus/pci/devices"},
        {"find", "find {0}"},
        {"find -ls", "find {0} -ls"},
        {"find one PF -type f, cat", "find {0}/bus/pci/devices/0000:10:00.0/ -type f -exec cat {{}} +"},
        {"find -type f, cat all", "find {0} -type f -exec cat {{}} +"},
    };
    fmt::print("\n{:<28}{:>14}{:>10}{:>8}  {:>14}{:>10}{:>8}  {:>10}{:>11}\n", "milliseconds", "first: fuse", "tmpfs", "ratio",
               "then: fuse", "tmpfs", "ratio", "CPU ratio", "RSS, MiB");
    for (const Row& row : rows) {
        std::vector<double> times[2];
        double cpu[2] = {0, 0};
        const std::string commands[2] = {fmt::format(fmt::runtime(row.command), ours),
                                         fmt::format(fmt::runtime(row.command), plain)};
        for (unsigned round = 0; round <= rounds; ++round)
            for (int side = 0; side < 2; ++side) {
                const double used = cpuMilliseconds();
                times[side].push_back(timed([&] { run(commands[side]); }));
                cpu[side] += cpuMilliseconds() - used;
            }
        double first[2], later[2];
        for (int side = 0; side < 2; ++side) {
            first[side] = times[side][0];
            std::sort(times[side].begin() + 1, times[side].end());
            later[side] = times[side][1 + rounds / 2];
        }
        fmt::print("{:<28}{:>14.1f}{:>10.1f}{:>8.2f}  {:>14.1f}{:>10.1f}{:>8.2f}  {:>10.2f}{:>11.1f}\n", row.name, first[0],
                   first[1], first[0] / first[1], later[0], later[1], later[0] / later[1], cpu[0] / cpu[1], residentMiB());
        std::fflush(stdout);
    }

    const std::string numvfs = fmt::format("{}/bus/pci/devices/{}/sriov_numvfs", ours, pfs.front().str());
    for (const unsigned count : {0u, vfs}) {
        const double writing = timed([&] { run(fmt::format("echo {} > {}", count, numvfs)); });
        fmt::print("{} to sriov_numvfs of one PF, everything known to the kernel: {:.1f} ms\n", count, writing);
    }
    return 0;
}

unsigned argument(int argc, char** argv, int index, unsigned otherwise) {
    return argc > index ? static_cast<unsigned>(std::strtoul(argv[index], nullptr, 10)) : otherwise;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return bench(argument(argc, argv, 1, 8), argument(argc, argv, 2, 127), std::max(1u, argument(argc, argv, 3, 5)));
    } catch (const std::exception& error) {
        std::cerr << "bench_fake_sysfs: " << error.what() << '\n';
        return 3;
    }
}
