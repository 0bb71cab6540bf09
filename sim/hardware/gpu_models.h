// The PCI side of the accelerators that rdmalab knows by name.
#pragma once

#include "sim/hardware/machine_spec.h"
#include "sim/hardware/nic_model.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::hardware {

struct GpuModel {
    std::string name; // "H100"
    std::uint16_t vendor = 0, device = 0, subsystemVendor = 0, subsystemDevice = 0;
    std::uint32_t classCode = 0x030200; // 3D controller
    std::uint8_t revision = 0;
    std::string driver;
    std::vector<Bar> bars;
    PcieLink pcie;
};

const std::vector<GpuModel>& gpuModels(); // sorted by name

// What `spec` describes: a model's values where it gives none of its own. HardwareError with a field below `field`
// ("gpus[0]") for a model that is not known and does not say its ids, with the closest name.
GpuModel gpuModel(const PlainSpec& spec, const std::string& field);

} // namespace rdmalab::hardware
