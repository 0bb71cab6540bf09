// In what the drivers of NICs differ where the kernel leaves the choice to them.
#pragma once

#include <string_view>

namespace rdmalab::hardware {

struct DriverTraits {
    // Its VFs stay when it leaves the PF, as the PCI core's simple helper has it (recorded with nvme). Those of NICs take them
    // along: mlx5_sriov_cleanup, ice_free_vfs, bnxt_sriov_disable.
    bool leavesVfs = false;
    // The PF's interface going down takes the physical port down, and with it the VFs that follow it (mlx5e_close).
    bool portFollowsInterface = false;
    // Takes settings of VFs that are not there yet: mlx5 has a vport for every VF that can be; ice and bnxt_en answer EINVAL.
    bool presetVfs = false;
    // A VF's driver that takes a new administrative MAC at once, because the PF resets the VF (ice_set_vf_mac, iavf). Others
    // read it at their next probe: mlx5 writes it to the VF's vport context only (mlx5_eswitch_set_vport_mac), and the VF's
    // driver asks for it when it makes the interface (mlx5_query_mac_address).
    bool takesMacAtOnce = false;
};

DriverTraits driverTraits(std::string_view driver) noexcept;

} // namespace rdmalab::hardware
