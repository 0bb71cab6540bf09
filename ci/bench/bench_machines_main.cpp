// bench_machines [MACHINES [NICS]]: what machines cost that nobody looks at (5000 of 8 NICs by default), and what a card full of
// VFs costs on one of them. Prints one line per figure.
#include "sim/hardware/catalogue.h"
#include "sim/hardware/machine.h"

#include <fmt/format.h>

#include <malloc.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

using namespace rdmalab::hardware;

namespace {

std::size_t allocated() {
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

// Processor time: nothing here waits, and other programs on the machine do not count.
template <typename Do>
double milliseconds(Do work) {
    const std::clock_t start = std::clock();
    work();
    return static_cast<double>(std::clock() - start) * 1000 / CLOCKS_PER_SEC;
}

MachineSpec machine(unsigned number, unsigned nics) {
    MachineSpec spec;
    spec.name = fmt::format("node{}", number);
    spec.numa = {{0, "0-31"}, {1, "32-63"}};
    for (unsigned i = 0; i < nics; ++i) {
        NicSpec nic;
        nic.model = "ConnectX-7";
        nic.pci = fmt::format("0000:{:02x}:00.0", 0x10 + i * 0x10);
        nic.numa = i < nics / 2 ? 0 : 1;
        spec.nics.push_back(nic);
    }
    return spec;
}

} // namespace

int main(int count, char** arguments) {
    const unsigned machines = count > 1 ? static_cast<unsigned>(std::atoi(arguments[1])) : 5000;
    const unsigned nics = count > 2 ? static_cast<unsigned>(std::atoi(arguments[2])) : 8;
    if (machines == 0 || nics == 0 || nics > 14) {
        fmt::print(stderr, "usage: bench_machines [MACHINES [NICS]], 1 to 14 NICs\n");
        return 2;
    }
    Catalogue::builtIn(); // read once, whatever comes then
    std::vector<std::unique_ptr<Machine>> all;
    all.reserve(machines);
    std::size_t before = allocated();
    const double built = milliseconds([&] {
        for (unsigned i = 0; i < machines; ++i)
            all.push_back(std::make_unique<Machine>(machine(i, nics)));
    });
    fmt::print("{} machines of {} NICs: {:.0f} ms, {:.1f} us and {:.0f} bytes each\n", machines, nics, built,
               built * 1000 / machines, static_cast<double>(allocated() - before) / machines);

    Machine& one = *all.front();
    before = allocated();
    std::vector<PciAddress> pfs;
    for (const auto& nic : one.nics())
        pfs.push_back(nic->pci.address);
    const auto setAll = [&](unsigned vfs) {
        for (const PciAddress& pf : pfs)
            one.setNumVfs(pf, vfs);
    };
    const unsigned vfs = 127;
    const double made = milliseconds([&] { setAll(vfs); });
    fmt::print("{} NICs from 0 to {} VFs each: {:.1f} ms, {:.0f} bytes a VF\n", nics, vfs, made,
               static_cast<double>(allocated() - before) / (nics * vfs));
    std::vector<PciAddress> functions;
    for (const auto& nic : one.nics())
        functions.push_back(nic->pci.address);
    std::size_t found = 0;
    constexpr unsigned rounds = 1000;
    const double sought = milliseconds([&] {
        for (unsigned round = 0; round < rounds; ++round)
            for (const PciAddress& address : functions)
                found += one.findByPci(address) != nullptr;
    });
    fmt::print("findByPci among {}: {:.0f} ns\n", functions.size(), sought * 1e6 / static_cast<double>(found));
    fmt::print("back to 0: {:.1f} ms\n", milliseconds([&] { setAll(0); }));
    return 0;
}
