// The tree of a machine, as one viewer sees it.
#pragma once

#include "fakesysfs/tree.h"

#include <memory>

namespace rdmalab::fakesysfs {

class Renderer;

class MachineProvider : public TreeProvider {
public:
    // `writable` is the same machine, or null.
    MachineProvider(const hardware::Machine& machine, hardware::Machine* writable, View view);
    ~MachineProvider() override;
    void setView(View view);
    std::uint64_t generation() const override;
    std::unique_ptr<Directory> root() const override;

private:
    const hardware::Machine& machine_;
    hardware::Machine* writable_;
    View view_;
    std::uint64_t viewGeneration_ = 0;
    mutable std::unique_ptr<Renderer> renderer_; // fills the directories of the last root
};

} // namespace rdmalab::fakesysfs
