// Expectations about what is seen from inside a node or pod.
#pragma once

#include "harness/scenario/scenario.h"
#include "harness/tier/tier.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace rdmalab::harness {

// Empty `message` when the expectation holds.
struct InsideFinding {
    std::string message, expected, found;
    scenario::Place place;
};

InsideFinding checkInterface(const scenario::InterfaceProbe& probe, View& view);
InsideFinding checkDevices(const scenario::DevicesProbe& probe, View& view);
InsideFinding checkFile(const scenario::FileProbe& probe, View& view);
InsideFinding checkRdma(const scenario::RdmaProbe& probe, View& view);
InsideFinding checkText(const scenario::TextExpectation& expectation, const std::string& text, const std::string& what);

// What `rdma system` and `rdma link` would show, read from /sys: {"netns": "shared", "links": [{"name": "mlx5_0/1", ...}]}.
nlohmann::json rdmaFacts(plugin::Files& files);

} // namespace rdmalab::harness
