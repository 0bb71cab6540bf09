#include "fakesysfs/pci_writes.h"

#include "fakesysfs/store.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Machine;
using hardware::PciAddress;
using hardware::PciFunction;

constexpr std::size_t page = 4096;

// Of stores that keep the text: it must leave room for a newline and a NUL.
Directory::Write shorterThanAPage(Directory::Write store) {
    return [store = std::move(store)](std::string_view written) -> std::size_t {
        if (written.size() >= page - 1)
            refuse("attribute", EINVAL);
        return store(written);
    };
}

bool nodeOnline(const Machine& machine, std::int64_t node) {
    const auto& nodes = machine.numaNodes();
    return nodes.empty() ? node == 0 : std::any_of(nodes.begin(), nodes.end(), [&](const auto& numa) { return numa.id == node; });
}

std::string checkedNumaNode(const Machine& machine, std::string_view text) {
    const std::int64_t node = parseSigned(text);
    if (node != -1 && !nodeOnline(machine, node))
        refuse("numa_node", EINVAL);
    return std::to_string(node);
}

void changeEnable(Machine& machine, std::uint64_t owner, const std::string& name, bool bound, std::string_view text) {
    const std::uint64_t on = parsePlain(text);
    if (bound)
        refuse("enable", EBUSY);
    const unsigned long count = std::stoul(keptText(machine, owner, name, "0"));
    if (!on && count == 0)
        refuse("enable", EIO);
    machine.keep(owner, name, std::to_string(on ? count + 1 : count - 1));
}

// "flr bus", in any order; what the function cannot do is refused.
std::string chosenResetMethods(bool vf, std::string_view text) {
    if (saysWord(text, ""))
        return "";
    const std::string all = vf ? "flr" : "flr bus";
    if (saysWord(text, "default"))
        return all;
    std::string chosen;
    std::string_view rest = withoutNewline(text);
    while (!rest.empty()) {
        const std::string_view name = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(rest.size(), name.size() + 1));
        if (name.empty())
            continue;
        if (name != "flr" && (vf || name != "bus"))
            refuse("reset_method", EINVAL);
        chosen += (chosen.empty() ? "" : " ") + std::string(name);
    }
    return chosen;
}

} // namespace

std::string keptText(const Machine& machine, std::uint64_t owner, const std::string& name, std::string otherwise) {
    const std::string* kept = machine.kept(owner, name);
    return kept ? *kept : std::move(otherwise);
}

Directory::Write keepStore(Machine* machine, std::uint64_t owner, const std::string& name, Check check) {
    if (!machine)
        return nullptr;
    return textStore([machine, owner, name, check](std::string_view text) { machine->keep(owner, name, check(text)); });
}

std::string keepFlag(std::string_view text) {
    return parsePlain(text) ? "1" : "0";
}

template <typename Store>
Directory::Write PciWrites::onFunction(Store store) const {
    if (!machine_)
        return nullptr;
    return textStore([machine = machine_, address = address_, instance = instance_, store](std::string_view text) {
        const PciFunction* pci = machine->findFunction(address);
        if (!pci || pci->instance != instance)
            refuse("attribute", ENODEV);
        store(*machine, *pci, text);
    });
}

Directory::Write PciWrites::numVfs() const {
    return onFunction([](Machine& machine, const PciFunction& pci, std::string_view text) {
        machine.setNumVfs(pci.address, static_cast<unsigned>(parsePlain(text, 0xffff)));
    });
}

Directory::Write PciWrites::mlx5NumVfs() const {
    return onFunction([](Machine& machine, const PciFunction& pci, std::string_view text) {
        const std::uint64_t count = parsePlain(text, 0x7fffffff);
        if (count > pci.vfLimit)
            refuse("mlx5_num_vfs", EINVAL);
        machine.setNumVfs(pci.address, static_cast<unsigned>(count));
    });
}

Directory::Write PciWrites::vfAutoprobe() const {
    return onFunction([](Machine& machine, const PciFunction& pci, std::string_view text) {
        machine.setVfAutoprobe(pci.address, parseBool(text));
    });
}

Directory::Write PciWrites::vfMsixCount() const {
    return onFunction([](Machine& machine, const PciFunction& vf, std::string_view text) {
        parsePlain(text, 0x7fffffff);
        // Only mlx5 has the operation, and then a card without vectors to give away refuses (sriov_vf_total_msix is 0).
        const PciFunction* pf = vf.physfn ? machine.findFunction(*vf.physfn) : nullptr;
        refuse("sriov_vf_msix_count", pf && pf->driver == "mlx5_core" && !vf.driver.empty() ? EBUSY : EOPNOTSUPP);
    });
}

Directory::Write PciWrites::driverOverride() const {
    if (!machine_)
        return nullptr;
    return shorterThanAPage(onFunction([](Machine& machine, const PciFunction& pci, std::string_view text) {
        const std::string name(text.substr(0, text.find('\n')));
        machine.setDriverOverride(pci.address, name.empty() ? std::nullopt : std::optional<std::string>(name));
    }));
}

Directory::Write PciWrites::enable() const {
    return onFunction([](Machine& machine, const PciFunction& pci, std::string_view text) {
        changeEnable(machine, pci.instance, "enable", !pci.driver.empty(), text);
    });
}

Directory::Write PciWrites::numaNode() const {
    return onFunction([](Machine& machine, const PciFunction& pci, std::string_view text) {
        machine.keep(pci.instance, "numa_node", checkedNumaNode(machine, text));
    });
}

Directory::Write PciWrites::remove() const {
    return onFunction([](Machine& machine, const PciFunction& pci, std::string_view text) {
        if (parsePlain(text))
            machine.removeFunction(PciAddress(pci.address)); // a copy: the function goes
    });
}

Directory::Write PciWrites::rescan() const {
    return onFunction([](Machine& machine, const PciFunction&, std::string_view text) {
        if (parsePlain(text))
            machine.rescanBus();
    });
}

Directory::Write PciWrites::reset() const {
    return onFunction([](Machine& machine, const PciFunction& pci, std::string_view text) {
        if (parsePlain(text) != 1)
            refuse("reset", EINVAL);
        const std::string* methods = machine.kept(pci.instance, "reset_method");
        if (methods && methods->empty())
            refuse("reset", ENOTTY);
    });
}

Directory::Write PciWrites::resetMethod() const {
    if (!machine_)
        return nullptr;
    return shorterThanAPage(onFunction([](Machine& machine, const PciFunction& pci, std::string_view text) {
        machine.keep(pci.instance, "reset_method", chosenResetMethods(pci.isVf(), text));
    }));
}

Directory::Write PciWrites::flag(const std::string& name) const {
    return onFunction([name](Machine& machine, const PciFunction& pci, std::string_view text) {
        machine.keep(pci.instance, name, keepFlag(text));
    });
}

// A function's registers take what they are given; the model has no use for it.
Directory::Write PciWrites::config() const {
    if (!machine_)
        return nullptr;
    return [machine = machine_, address = address_, instance = instance_](std::string_view written) -> std::size_t {
        const PciFunction* pci = machine->findFunction(address);
        if (!pci || pci->instance != instance)
            refuse("config", ENODEV);
        return std::min(written.size(), page);
    };
}

Directory::Write BridgeWrites::remove() const {
    if (!machine_)
        return nullptr;
    return textStore([machine = machine_, address = address_](std::string_view text) {
        if (!parsePlain(text))
            return;
        std::vector<PciAddress> below;
        const auto collect = [&](const PciFunction& pci) {
            if (!pci.isVf() && std::find(pci.bridges.begin(), pci.bridges.end(), address) != pci.bridges.end())
                below.push_back(pci.address);
        };
        for (const auto& nic : machine->nics())
            collect(nic->pci);
        for (const auto& plain : machine->plainFunctions())
            collect(plain->pci);
        for (const PciAddress& function : below)
            machine->removeFunction(function);
    });
}

Directory::Write BridgeWrites::rescan() const {
    return machine_ ? busStore(machine_, "rescan") : nullptr;
}

Directory::Write BridgeWrites::numaNode() const {
    if (!machine_)
        return nullptr;
    return textStore([machine = machine_, name = address_.str() + "/numa_node"](std::string_view text) {
        machine->keep(0, name, checkedNumaNode(*machine, text));
    });
}

Directory::Write BridgeWrites::enable() const {
    if (!machine_)
        return nullptr;
    return textStore([machine = machine_, name = address_.str() + "/enable"](std::string_view text) {
        changeEnable(*machine, 0, name, true, text);
    });
}

} // namespace rdmalab::fakesysfs
