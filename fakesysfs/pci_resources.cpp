#include "fakesysfs/pci_config.h"

#include <algorithm>

namespace rdmalab::fakesysfs {
namespace {

// IORESOURCE_* of include/linux/ioport.h plus the BAR's own low bits.
constexpr std::uint64_t memory = 0x200, prefetch = 0x2000, sizeAligned = 0x40000, memory64 = 0x100000;
constexpr std::uint64_t barPrefetch = 8, bar64 = 4;
constexpr std::uint64_t fourGiB = 0x100000000, megabyte = 0x100000;
// Above 4 GiB a place follows from the routing id alone, so that what is below one bridge lies together: 8 TiB for a bus, of
// which a device has 256 GiB, as much as a GPU needs.
constexpr unsigned domainShift = 51, busShift = 43, deviceShift = 38, functionShift = 35;
// Below 4 GiB: 16 KiB for each routing id, 32 MiB for each of the few that need more.
constexpr std::uint64_t lowArea = 0x80000000, lowWindow = 0x4000, largeArea = 0x40000000, largeWindow = 0x2000000;
constexpr std::size_t largeWindows = 32;

struct Wanted {
    hardware::Bar bar;
    int line = 0;
    std::uint64_t count = 1;
};

std::vector<Resource> place(const hardware::PciAddress& address, const std::vector<Wanted>& wanted, std::size_t number) {
    std::uint64_t lowNeed = 0;
    for (const Wanted& one : wanted)
        if (!one.bar.wide)
            lowNeed = (lowNeed + one.bar.size - 1) / one.bar.size * one.bar.size + one.bar.size * one.count;
    const std::uint64_t id = std::uint64_t(address.bus) << 8 | std::uint64_t(address.device) << 3 | address.function;
    std::uint64_t wide = std::uint64_t(address.domain & 1) << domainShift | std::uint64_t(address.bus) << busShift |
                         std::uint64_t(address.device) << deviceShift | std::uint64_t(address.function) << functionShift;
    std::uint64_t low = lowNeed <= lowWindow ? lowArea + id * lowWindow : largeArea + number % largeWindows * largeWindow;
    std::vector<Resource> result;
    for (const Wanted& one : wanted) {
        std::uint64_t& next = one.bar.wide ? wide : low;
        Resource resource;
        resource.line = one.line;
        resource.start = (next + one.bar.size - 1) / one.bar.size * one.bar.size;
        resource.size = one.bar.size * one.count;
        resource.flags =
            memory | sizeAligned | (one.bar.wide ? memory64 | bar64 : 0) | (one.bar.prefetchable ? prefetch | barPrefetch : 0);
        resource.prefetchable = one.bar.prefetchable;
        next = resource.start + resource.size;
        result.push_back(resource);
    }
    return result;
}

std::vector<Wanted> barsOf(const std::vector<hardware::Bar>& bars) {
    std::vector<Wanted> wanted;
    for (const hardware::Bar& bar : bars)
        wanted.push_back({bar, bar.index, 1});
    return wanted;
}

} // namespace

std::vector<Resource> resources(const hardware::Nic& nic, const hardware::Nic* pf, std::size_t number) {
    if (pf) {
        std::vector<Resource> slices;
        for (Resource resource : resources(*pf, nullptr, number)) {
            if (resource.line < 7 || pf->pci.totalVfs == 0)
                continue;
            resource.line -= 7;
            resource.size /= pf->pci.totalVfs;
            resource.start += resource.size * nic.pci.vfNumber;
            slices.push_back(resource);
        }
        return slices;
    }
    std::vector<Wanted> wanted = barsOf(nic.model->bars);
    if (nic.model->sriov && nic.model->sriov->bar && nic.pci.totalVfs)
        wanted.push_back({*nic.model->sriov->bar, 7 + nic.model->sriov->bar->index, nic.pci.totalVfs});
    return place(nic.pci.address, wanted, number);
}

std::vector<Resource> resources(const hardware::PlainFunction& plain, std::size_t number) {
    return place(plain.pci.address, barsOf(plain.bars), number);
}

std::vector<Resource> bridgeWindows(const std::vector<Resource>& below) {
    const auto window = [&](int line, std::uint64_t flags, bool high) {
        Resource result;
        result.line = line;
        result.flags = flags;
        std::uint64_t start = ~std::uint64_t(0), end = 0;
        for (const Resource& resource : below)
            if ((resource.start >= fourGiB) == high && resource.size) {
                start = std::min(start, resource.start / megabyte * megabyte);
                end = std::max(end, (resource.start + resource.size + megabyte - 1) / megabyte * megabyte);
            }
        if (end) {
            result.start = start;
            result.size = end - start;
        }
        return result;
    };
    std::vector<Resource> windows;
    for (const Resource& one : {window(14, memory, false), window(15, memory | memory64 | prefetch | 1, true)})
        if (one.size)
            windows.push_back(one);
    return windows;
}

} // namespace rdmalab::fakesysfs
