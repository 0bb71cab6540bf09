// Pods of the store as a scenario selects and describes them.
#pragma once

#include "harness/scenario/scenario.h"
#include "harness/tier/tier.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <vector>

namespace rdmalab::cluster {
class Store;
}

namespace rdmalab::harness {

std::vector<std::shared_ptr<const nlohmann::json>> select(const cluster::Store& store, const scenario::PodSelector& pods);
bool fulfils(const nlohmann::json& pod, scenario::PodCondition condition);
// "Pending, ContainerCreating": phase and the reason that kubectl would show.
std::string statusOf(const nlohmann::json& pod);
Inside insideOf(const nlohmann::json& pod, const std::string& container);
std::string fullName(const nlohmann::json& pod); // "ns/name"

} // namespace rdmalab::harness
