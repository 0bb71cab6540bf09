// The annotation k8s.v1.cni.cncf.io/network-status (NAD client pkg/utils; spec/cni.md 6.7).
#pragma once

#include "plugins/cni/protocol/cni_result.h"

#include <string>
#include <vector>

namespace rdmalab::plugin::multus {

// One indented object for each entry of the delegate's result. `deviceInfo` is JSON, empty = none.
std::vector<std::string> networkStatuses(const CniResult& result, const std::string& networkName, bool isDefault,
                                         const std::string& deviceInfo);
std::string networkStatusAnnotation(const std::vector<std::string>& statuses);

} // namespace rdmalab::plugin::multus
