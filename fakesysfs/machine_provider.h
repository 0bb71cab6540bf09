// The tree of a machine: which directories there are; their content comes from the render_*.h functions.
#pragma once

#include "fakesysfs/tree.h"

namespace rdmalab::fakesysfs {

class MachineProvider : public TreeProvider {
public:
    MachineProvider(const hardware::Machine& machine, View view);
    void setView(View view);
    std::uint64_t generation() const override;
    std::unique_ptr<Directory> root() const override;

private:
    const hardware::Machine& machine_;
    View view_;
    std::uint64_t viewGeneration_ = 0;
};

} // namespace rdmalab::fakesysfs
