#include "sim/hardware/gpu_models.h"

#include "sim/hardware/hardware_error.h"
#include "sim/hardware/naming.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace rdmalab::hardware {
namespace {

constexpr std::uint64_t mega = 1 << 20, giga = 1 << 30;

// Registers, the memory (all of it where the card has a resizable BAR) and a window.
std::vector<Bar> older(std::uint64_t memory) {
    return {{0, 16 * mega, false, false}, {1, memory, true, true}, {3, 32 * mega, true, true}};
}

std::vector<Bar> newer(std::uint64_t memory) {
    return {{0, 16 * mega, true, true}, {2, memory, true, true}, {4, 32 * mega, true, true}};
}

bool sameName(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

} // namespace

const std::vector<GpuModel>& gpuModels() {
    // Device ids: pci.ids. The SXM form where there are several. Subsystems and BARs as found in public listings.
    static const std::vector<GpuModel> all = {
        {"A100", 0x10de, 0x20b2, 0x10de, 0x1463, 0x030200, 0xa1, "nvidia", older(128 * giga), {"16.0 GT/s PCIe", 16}},
        {"B200", 0x10de, 0x2901, 0x10de, 0x1999, 0x030200, 0xa1, "nvidia", newer(256 * giga), {"32.0 GT/s PCIe", 16}},
        {"H100", 0x10de, 0x2330, 0x10de, 0x16c1, 0x030200, 0xa1, "nvidia", newer(128 * giga), {"32.0 GT/s PCIe", 16}},
        {"H200", 0x10de, 0x2335, 0x10de, 0x18be, 0x030200, 0xa1, "nvidia", newer(256 * giga), {"32.0 GT/s PCIe", 16}},
        {"L40S", 0x10de, 0x26b9, 0x10de, 0x1851, 0x030200, 0xa1, "nvidia", older(64 * giga), {"16.0 GT/s PCIe", 16}},
    };
    return all;
}

GpuModel gpuModel(const PlainSpec& spec, const std::string& field) {
    GpuModel made;
    const auto& all = gpuModels();
    const auto known = std::find_if(all.begin(), all.end(), [&](const GpuModel& one) { return sameName(one.name, spec.model); });
    if (known != all.end()) {
        made = *known;
    } else {
        if (!spec.vendor || !spec.device) {
            std::vector<std::string> names;
            for (const GpuModel& one : all)
                names.push_back(one.name);
            const auto meant = closest(spec.model, names);
            throw HardwareError(field + ".model",
                                fmt::format("unknown GPU '{}'{}; known are {}, any other needs 'vendor' and 'device'", spec.model,
                                            meant ? fmt::format(", did you mean '{}'?", *meant) : "", fmt::join(names, ", ")));
        }
        made.name = spec.model;
        made.bars = older(16 * giga);
        made.pcie = {"16.0 GT/s PCIe", 16};
    }
    // A driver and a subsystem belong to the ids they were listed with.
    if ((spec.vendor && *spec.vendor != made.vendor) || (spec.device && *spec.device != made.device)) {
        made.vendor = spec.vendor.value_or(made.vendor);
        made.device = spec.device.value_or(made.device);
        made.subsystemVendor = made.vendor;
        made.subsystemDevice = 0;
        made.driver = made.vendor == 0x10de ? "nvidia" : "";
    }
    made.classCode = spec.classCode.value_or(made.classCode);
    made.driver = spec.driver.value_or(made.driver);
    return made;
}

} // namespace rdmalab::hardware
