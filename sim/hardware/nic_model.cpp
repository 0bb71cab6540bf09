#include "sim/hardware/nic_model.h"

#include <algorithm>

namespace rdmalab::hardware {

bool NicModel::supports(LinkLayer layer) const noexcept {
    return std::find(linkLayers.begin(), linkLayers.end(), layer) != linkLayers.end();
}

} // namespace rdmalab::hardware
