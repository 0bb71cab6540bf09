#include "sim/hardware/driver_traits.h"

namespace rdmalab::hardware {

DriverTraits driverTraits(std::string_view driver) noexcept {
    DriverTraits traits;
    traits.leavesVfs = driver == "nvme" || driver == "pci-pf-stub";
    traits.portFollowsInterface = driver == "mlx5_core";
    traits.presetVfs = driver == "mlx5_core";
    traits.takesMacAtOnce = driver == "iavf";
    return traits;
}

} // namespace rdmalab::hardware
