// Reads what a scenario says about hardware.
#pragma once

#include "harness/scenario/reading.h"

#include <string>
#include <vector>

namespace rdmalab::scenario {

// spec.nicModels: files with NIC models, on top of the built-in ones. A mistake in one of them is reported where it is.
void readNicModels(const View& files, Reading& reading);

// The hardware of a group of nodes that are alike.
class MachineReader {
public:
    explicit MachineReader(Reading& reading) : reading_(reading), diagnostics_(reading.diagnostics) {}

    void read(const View& group, Node& prototype);
    // Builds such a machine: what is impossible is reported where the group says it.
    void check(Node prototype, const std::string& nodeName) const;
    const std::vector<View>& nics() const noexcept { return nics_; } // what prototype.nics were made from

private:
    void readNics(const View& nics, Node& prototype);
    void readGpus(const View& gpus, Node& prototype);
    void checkModel(const View& model) const;
    void checkSwitch(const View& at) const;
    Place placeOf(const std::string& field, const Place& otherwise) const;

    Reading& reading_;
    Diagnostics& diagnostics_;
    std::vector<View> nics_, gpus_, numa_;
};

} // namespace rdmalab::scenario
