#include "fakesysfs/machine_provider.h"

#include "fakesysfs/network_view.h"
#include "fakesysfs/renderer.h"

namespace rdmalab::fakesysfs {

MachineProvider::MachineProvider(const hardware::Machine& machine, hardware::Machine* writable, View view)
    : machine_(machine), writable_(writable), view_(std::move(view)) {}

MachineProvider::~MachineProvider() = default;

void MachineProvider::setView(View view) {
    view_ = std::move(view);
    ++viewGeneration_;
}

std::uint64_t MachineProvider::generation() const {
    constexpr std::uint64_t spread = 0x9e3779b97f4a7c15; // keeps the counters from making up for each other
    // Asked first: a look at the namespace may bring the machine up to date with what happened in there.
    const std::uint64_t live = view_.live ? view_.live->generation() : 0;
    const std::uint64_t own = machine_.generation() + viewGeneration_;
    return view_.live ? own * spread ^ live : own;
}

std::unique_ptr<Directory> MachineProvider::root() const {
    renderer_ = std::make_unique<Renderer>(Scene{machine_, writable_, view_});
    auto root = std::make_unique<Directory>();
    root->lazy("sys", [renderer = renderer_.get()](Directory& sys) { renderer->sys(sys); });
    root->lazy("dev", [renderer = renderer_.get()](Directory& dev) { renderer->dev(dev); });
    return root;
}

} // namespace rdmalab::fakesysfs
