// Installs the Spiderpool chart of a scenario into a cluster: its objects, its admission, and the controllers that run while the
// spiderpool-controller pod does.
#pragma once

#include "harness/scenario/scenario.h"

#include <memory>

namespace rdmalab::clock {
class EventLoop;
}
namespace rdmalab::cluster {
class Cluster;
}

namespace rdmalab::harness {

class SpiderpoolInstallation {
public:
    virtual ~SpiderpoolInstallation() = default;
};

// Nothing is installed (but the CRDs' admission is in place) for a scenario without `helm`.
// Throws std::runtime_error for values that the chart, or its profile, does not have.
std::unique_ptr<SpiderpoolInstallation> installSpiderpool(const scenario::Scenario& scenario, cluster::Cluster& cluster,
                                                          clock::EventLoop& loop);

} // namespace rdmalab::harness
