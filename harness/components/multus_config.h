#pragma once

#include <string>

namespace rdmalab::harness {

// The 00-multus.conf that the entry point of Spiderpool 1.x writes for a cluster network (charts/spiderpool, ConfigMap
// spiderpool-multus-entrypoint).
std::string multusConfig(const std::string& clusterNetwork);

} // namespace rdmalab::harness
