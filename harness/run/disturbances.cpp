// The steps that change a node from outside: faults, and writes to its files.
#include "harness/run/runner.h"
#include "plugins/kernel/files.h"
#include "sim/cluster/cluster.h"
#include "sim/hardware/machine.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <cstring>
#include <stdexcept>

namespace rdmalab::harness {

using namespace scenario;
using report::Outcome;

// ---- faults -------------------------------------------------------------------------------------------------------------------

Outcome Runner::play(const FaultStep& step, const Place&) {
    if (const auto* fault = std::get_if<ContainerFault>(&step.fault)) {
        int hit = 0;
        for (const auto& inside : places(Target(fault->pods), fault->container)) {
            if (!fault->node.empty() && inside.node != fault->node)
                continue;
            if (fault->action == ContainerFault::Action::kill)
                tier_.killContainer(inside);
            else
                tier_.stopContainer(inside, 30);
            ++hit;
        }
        if (hit == 0)
            throw std::runtime_error(fault->pods.str() + ": no such pod to disturb");
    } else if (const auto* kubelet = std::get_if<KubeletFault>(&step.fault)) {
        auto& target = tier_.cluster().kubelet(kubelet->node);
        if (kubelet->action != KubeletFault::Action::start)
            target.stop();
        if (kubelet->action != KubeletFault::Action::stop)
            target.start();
    } else if (const auto* device = std::get_if<CharDeviceFault>(&step.fault)) {
        tier_.setCharDevice(device->node, device->device, device->action == CharDeviceFault::Action::restore);
    } else if (const auto* link = std::get_if<LinkFault>(&step.fault)) {
        tier_.setLink(link->node, link->netdev, link->action == LinkFault::Action::up);
    } else if (const auto* card = std::get_if<CardFault>(&step.fault)) {
        changeFunction(card->node, card->pci, [&](hardware::Machine& machine, const hardware::PciAddress& address) {
            card->action == CardFault::Action::unplug ? machine.unplugCard(address) : machine.replugCard(address);
        });
    } else if (const auto* driver = std::get_if<DriverFault>(&step.fault)) {
        tier_.changeHardware(driver->node, [&](hardware::Machine& machine) {
            if (!machine.findDriver(driver->driver))
                throw std::runtime_error(fmt::format("node {} has no PCI driver {}", driver->node, driver->driver));
            machine.reloadDriver(driver->driver);
        });
    } else if (const auto* firmware = std::get_if<FirmwareFault>(&step.fault)) {
        changeFunction(firmware->node, firmware->pci, [&](hardware::Machine& machine, const hardware::PciAddress& address) {
            machine.setFirmwareVfLimit(address, static_cast<unsigned>(firmware->vfs));
        });
    }
    return Outcome::passed;
}

void Runner::changeFunction(const std::string& node, const std::string& pci,
                            const std::function<void(hardware::Machine&, const hardware::PciAddress&)>& change) {
    const auto address = hardware::PciAddress::parse(pci).value(); // the loader has checked it
    tier_.changeHardware(node, [&](hardware::Machine& machine) {
        try {
            change(machine, address);
        } catch (const SystemError& error) {
            throw std::runtime_error(fmt::format("node {}, {}: {}", node, pci, error.what()));
        }
    });
}

// ---- writes -------------------------------------------------------------------------------------------------------------------

Outcome Runner::play(const WriteStep& step, const Place& place) {
    const auto nameOf = [](int code) {
        const char* known = ::strerrorname_np(code);
        return known ? std::string(known) : fmt::format("errno {}", code);
    };
    Inside inside;
    inside.node = step.node;
    std::string result; // empty: accepted
    std::string detail;
    tier_.look(inside, [&](View& view) {
        try {
            view.files.writeInPlace(step.file, step.content);
        } catch (const SystemError& error) {
            result = nameOf(error.code());
            detail = error.what();
        }
    });
    Finding finding;
    finding.ok = result == step.refused;
    finding.place = place;
    if (!finding.ok) {
        finding.message = result.empty() ? "the write succeeded" : detail;
        finding.expected = step.refused.empty() ? "success" : step.refused;
        finding.found = result.empty() ? "success" : result;
    }
    return conclude(fmt::format("write '{}' to {} on {}", step.content, step.file, step.node), place, finding);
}

} // namespace rdmalab::harness
