// How a MachineSpec becomes a Machine: checks, then everything that firmware, kernel and udev decide at boot.
#include "sim/hardware/catalogue.h"
#include "sim/hardware/cpu_list.h"
#include "sim/hardware/gpu_models.h"
#include "sim/hardware/hardware_error.h"
#include "sim/hardware/machine.h"
#include "sim/hardware/naming.h"
#include "sim/hardware/topology.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace rdmalab::hardware {
namespace {

constexpr std::size_t longestRdmaName = 63; // IB_DEVICE_NAME_MAX - 1
constexpr unsigned smallestMtu = 68, largestMtu = 9978, infinibandMtu = 2044, largestInfinibandMtu = 65520;
// Infiniband's fixed major and the ranges in it (drivers/infiniband/core/{user_mad,uverbs_main}.c); whoever does not fit gets
// a dynamic major, whatever is free.
constexpr unsigned infinibandMajor = 231, umadBase = 0, issmBase = 64, uverbsBase = 192, umadCount = 64, uverbsCount = 32;
constexpr unsigned dynamicUverbsMajor = 509, dynamicUmadMajor = 508, dynamicIssmMajor = 507;
constexpr unsigned miscMajor = 10, rdmaCmMinor = 260; // as on 6.12: a dynamic minor above 255
constexpr unsigned largestTotalVfs = 0xffff;          // 16 bits in the SR-IOV capability
constexpr std::uint32_t infinibandClass = 0x020700;
const std::vector<std::string> charDeviceKinds = {"uverbs", "umad", "issm", "rdma_cm"};

struct Draft {
    const NicSpec* spec = nullptr;
    std::string field; // "nics[1]"
    std::unique_ptr<Nic> nic;
    std::vector<std::string> charDevices;
};

bool contains(const std::vector<std::string>& list, const std::string& wanted) {
    return std::find(list.begin(), list.end(), wanted) != list.end();
}

void checkNuma(const std::vector<NumaSpec>& nodes) {
    std::set<int> ids;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const std::string field = fmt::format("numa[{}]", i);
        if (nodes[i].id < 0 || !ids.insert(nodes[i].id).second)
            throw HardwareError(field + ".id", fmt::format("{} is negative or taken", nodes[i].id));
        if (!parseCpuList(nodes[i].cpus))
            throw HardwareError(field + ".cpus", fmt::format("'{}' is no list of CPUs such as 0-15,32-47", nodes[i].cpus));
    }
}

PciAddress address(const std::string& given, const std::string& of) {
    const auto parsed = PciAddress::parse(given);
    const std::string field = of + ".pci";
    if (!parsed)
        throw HardwareError(field, fmt::format("'{}' is no PCI address; it looks like 0000:af:00.1, the device at most 1f, the "
                                               "function at most 7",
                                               given));
    if (parsed->bus == 0 && parsed->device == 0)
        throw HardwareError(field, fmt::format("{} is the host bridge's place", parsed->str()));
    return *parsed;
}

int numaNode(const std::optional<int>& given, const MachineSpec& spec, const std::string& of) {
    const int node = given.value_or(spec.numa.empty() ? -1 : spec.numa.front().id);
    const auto hasId = [&](const NumaSpec& one) { return one.id == node; };
    if (node != -1 && std::none_of(spec.numa.begin(), spec.numa.end(), hasId))
        throw HardwareError(of + ".numa", fmt::format("the machine has no NUMA node {}", node));
    return node;
}

void setPci(Draft& draft, const MachineSpec& spec) {
    Nic& nic = *draft.nic;
    PciFunction& pci = nic.pci;
    pci.vendor = nic.model->vendor;
    pci.device = nic.model->device;
    pci.revision = nic.model->revision;
    pci.subsystemVendor = nic.model->subsystemVendor;
    pci.subsystemDevice = nic.model->subsystemDevice;
    pci.classCode = nic.port.linkLayer == LinkLayer::infiniband ? infinibandClass : nic.model->classCode;
    pci.driver = nic.model->driver;
    pci.numaNode = numaNode(draft.spec->numa, spec, draft.field);
    if (!nic.model->sriov) {
        if (draft.spec->totalVfs || draft.spec->numVfs != 0)
            throw HardwareError(draft.field + (draft.spec->totalVfs ? ".totalVfs" : ".numVfs"),
                                fmt::format("{} has no SR-IOV", nic.model->name));
        return;
    }
    pci.totalVfs = pci.vfLimit = draft.spec->totalVfs.value_or(nic.model->sriov->totalVfs);
    if (pci.totalVfs > largestTotalVfs)
        throw HardwareError(draft.field + ".totalVfs", fmt::format("{} is more than {}", pci.totalVfs, largestTotalVfs));
    if (draft.spec->numVfs > pci.totalVfs)
        throw HardwareError(draft.field + ".numVfs",
                            fmt::format("{} VFs are more than its firmware offers: {}", draft.spec->numVfs, pci.totalVfs));
}

void setPort(Draft& draft, const MachineSpec& spec) {
    const NicSpec& wanted = *draft.spec;
    Port& port = draft.nic->port;
    const NicModel& model = *draft.nic->model;
    port.linkLayer = wanted.linkLayer.value_or(model.linkLayers.front());
    if (!model.supports(port.linkLayer))
        throw HardwareError(draft.field + ".linkLayer", fmt::format("{} has no such ports", model.name));
    const bool infiniband = port.linkLayer == LinkLayer::infiniband;
    port.mtu = wanted.mtu.value_or(infiniband ? static_cast<int>(infinibandMtu) : 1500);
    const unsigned largest = infiniband ? largestInfinibandMtu : largestMtu;
    if (port.mtu < static_cast<int>(smallestMtu) || port.mtu > static_cast<int>(largest))
        throw HardwareError(draft.field + ".mtu", fmt::format("{} is not within {} and {}", port.mtu, smallestMtu, largest));
    port.up = wanted.up;
    port.cabled = wanted.cabled;
    port.speedMbps = model.speedMbps;
    port.netns = spec.netns;
    port.addresses = wanted.addresses;
    if (port.carrier())
        port.carrierUpCount = port.carrierDownCount = 1; // registered without carrier, then the link came
    if (model.portNames && !infiniband)
        port.portName = fmt::format("p{}", draft.nic->pci.address.function);
}

// MAC and GUIDs; the second function of a card carries the first one's system image GUID.
void setIdentity(Draft& draft, const std::string& machine, std::set<std::string>& macs) {
    Nic& nic = *draft.nic;
    const bool infiniband = nic.port.linkLayer == LinkLayer::infiniband;
    std::string base = deriveMac(nic.model->macPrefix, machine, nic.pci.address);
    if (draft.spec->mac) {
        const auto given = normalMac(*draft.spec->mac, 6);
        if (!given || *given == "00:00:00:00:00:00" || (std::stoi(given->substr(0, 2), nullptr, 16) & 1) != 0)
            throw HardwareError(draft.field + ".mac",
                                fmt::format("'{}' is no unicast MAC address of six octets", *draft.spec->mac));
        base = *given;
    }
    if (!macs.insert(base).second)
        throw HardwareError(draft.field + ".mac", fmt::format("{} is taken by another port of the machine", base));
    const std::uint64_t guid = draft.spec->nodeGuid.value_or(guidFromMac(base));
    nic.port.mac = infiniband ? infinibandMac(guid) : base;
    if (nic.rdma) {
        nic.rdma->nodeGuid = guid;
        nic.rdma->systemImageGuid = guid;
    }
}

void setRdma(Draft& draft, const MachineSpec& spec) {
    const NicSpec& wanted = *draft.spec;
    Nic& nic = *draft.nic;
    const auto refuse = [&](bool given, const char* key, const std::string& why) {
        if (given)
            throw HardwareError(draft.field + key, why);
    };
    if (!nic.model->rdma || !wanted.rdmaEnabled.value_or(true)) {
        const std::string why = nic.model->rdma ? "RDMA is switched off" : fmt::format("{} has no RDMA", nic.model->name);
        refuse(wanted.rdma.has_value(), ".rdma", why);
        refuse(wanted.charDevices.has_value(), ".charDevices", why);
        refuse(wanted.rdmaEnabled.value_or(false), ".rdmaEnabled", why);
        return;
    }
    draft.charDevices = wanted.charDevices.value_or(nic.model->rdma->charDevices);
    for (std::size_t i = 0; i < draft.charDevices.size(); ++i) {
        const std::string& kind = draft.charDevices[i];
        const std::string field = fmt::format("{}.charDevices[{}]", draft.field, i);
        if (!contains(charDeviceKinds, kind)) {
            const auto meant = closest(kind, charDeviceKinds);
            throw HardwareError(field, fmt::format("'{}' is none of {}{}", kind, fmt::join(charDeviceKinds, ", "),
                                                   meant ? fmt::format(", did you mean '{}'?", *meant) : ""));
        }
        if (std::find(draft.charDevices.begin(), draft.charDevices.begin() + static_cast<std::ptrdiff_t>(i), kind) !=
            draft.charDevices.begin() + static_cast<std::ptrdiff_t>(i))
            throw HardwareError(field, fmt::format("'{}' is there twice", kind));
    }
    nic.rdma.emplace();
    nic.rdma->netns = spec.netns;
    nic.rdma->gids = GidTable(nic.port.linkLayer == LinkLayer::infiniband ? 8 : nic.model->rdma->gidTableLength);
}

void nameNetdevs(std::vector<Draft>& drafts) {
    std::set<std::string> taken = {"lo"};
    for (Draft& draft : drafts) {
        const std::string field = draft.field + ".netdev";
        if (!draft.spec->netdev)
            continue;
        if (const auto problem = netdevNameProblem(*draft.spec->netdev))
            throw HardwareError(field, fmt::format("'{}' {}", *draft.spec->netdev, *problem));
        if (!taken.insert(*draft.spec->netdev).second)
            throw HardwareError(field, fmt::format("'{}' is taken", *draft.spec->netdev));
        draft.nic->port.netdev = *draft.spec->netdev;
    }
    int index = 2; // lo is 1
    for (Draft& draft : drafts) {
        Port& port = draft.nic->port;
        port.ifindex = index++;
        if (!port.netdev.empty())
            continue;
        port.netdev = predictableNetdevName(draft.nic->pci.address, draft.nic->pci.multifunction, port.linkLayer,
                                            draft.spec->slot, port.portName);
        if (!taken.insert(port.netdev).second)
            throw HardwareError(draft.field + ".netdev",
                                fmt::format("the default name '{}' is taken, give another", port.netdev));
    }
}

void nameRdma(std::vector<Draft>& drafts, RdmaNaming naming) {
    std::set<std::string> taken;
    for (Draft& draft : drafts) {
        if (!draft.spec->rdma)
            continue;
        const std::string& name = *draft.spec->rdma;
        const std::string field = draft.field + ".rdma";
        if (name.empty() || name.size() > longestRdmaName || name.find_first_of("/% \t\n") != std::string::npos)
            throw HardwareError(field, fmt::format("'{}' is no name for an RDMA device: 1 to {} characters without '/', '%' and "
                                                   "blanks",
                                                   name, longestRdmaName));
        if (!taken.insert(name).second)
            throw HardwareError(field, fmt::format("'{}' is taken", name));
        draft.nic->rdma->name = name;
    }
    std::uint32_t index = 0;
    for (Draft& draft : drafts) {
        Nic& nic = *draft.nic;
        if (!nic.rdma)
            continue;
        nic.rdma->index = index++;
        if (!nic.rdma->name.empty())
            continue;
        if (naming == RdmaNaming::udev) {
            nic.rdma->name = predictableRdmaName(nic.pci.address, nic.pci.multifunction, nic.port.linkLayer);
            if (!taken.insert(nic.rdma->name).second)
                throw HardwareError(draft.field + ".rdma", fmt::format("the default name '{}' is taken", nic.rdma->name));
            continue;
        }
        for (unsigned number = 0; nic.rdma->name.empty(); ++number)
            if (const std::string name = nic.model->rdma->namePrefix + std::to_string(number); taken.insert(name).second)
                nic.rdma->name = name;
    }
}

void numberCharDevices(std::vector<Draft>& drafts) {
    unsigned verbs = 0, mads = 0;
    const auto add = [](RdmaDevice& rdma, CharDeviceKind kind, const char* name, unsigned number, unsigned base, unsigned fixed,
                        unsigned dynamicMajor, unsigned mode) {
        CharDevice device;
        device.kind = kind;
        device.name = name + std::to_string(number);
        device.major = number < fixed ? infinibandMajor : dynamicMajor;
        device.minor = number < fixed ? base + number : number - fixed;
        device.mode = mode;
        rdma.charDevices.push_back(std::move(device));
    };
    for (Draft& draft : drafts) {
        if (!draft.nic->rdma)
            continue;
        RdmaDevice& rdma = *draft.nic->rdma;
        const bool umad = contains(draft.charDevices, "umad"), issm = contains(draft.charDevices, "issm");
        if (contains(draft.charDevices, "uverbs"))
            add(rdma, CharDeviceKind::uverbs, "uverbs", verbs++, uverbsBase, uverbsCount, dynamicUverbsMajor, 0666);
        // A port's umad and issm share their number.
        if (umad)
            add(rdma, CharDeviceKind::umad, "umad", mads, umadBase, umadCount, dynamicUmadMajor, 0600);
        if (issm)
            add(rdma, CharDeviceKind::issm, "issm", mads, issmBase, umadCount, dynamicIssmMajor, 0600);
        mads += umad || issm;
    }
}

// Functions of one card, and where their VFs would be: the ranges follow each other behind the card's last function.
void arrangeCards(std::vector<Draft>& drafts) {
    for (Draft& draft : drafts) {
        PciFunction& pci = draft.nic->pci;
        const Nic *first = nullptr, *last = nullptr;
        unsigned vfsBefore = 0;
        pci.cardFunctions = 0;
        for (const Draft& other : drafts) {
            if (!other.nic->pci.address.sameSlot(pci.address))
                continue;
            last = other.nic.get();
            first = first ? first : last;
            if (last->pci.address < pci.address)
                vfsBefore += last->pci.totalVfs;
            ++pci.cardFunctions;
            if (last->model != draft.nic->model)
                throw HardwareError(draft.field + ".model", "two functions of one card must be of the same model");
        }
        pci.multifunction = draft.nic->model->ports > 1 || pci.cardFunctions > 1;
        if (draft.nic->rdma && first->rdma)
            draft.nic->rdma->systemImageGuid = first->rdma->nodeGuid;
        if (!draft.nic->model->sriov)
            continue;
        const SriovModel& sriov = *draft.nic->model->sriov;
        const unsigned start = sriov.offset ? sriov.offset : last->pci.address.function - first->pci.address.function + 1U;
        const unsigned place = pci.address.function - first->pci.address.function;
        pci.vfOffset = pci.totalVfs ? start + vfsBefore * sriov.stride - place : start;
        pci.vfStride = sriov.stride;
    }
}

std::vector<std::unique_ptr<PlainFunction>> makePlain(const MachineSpec& spec) {
    std::vector<std::unique_ptr<PlainFunction>> made;
    for (std::size_t i = 0; i < spec.gpus.size(); ++i) {
        const std::string field = fmt::format("gpus[{}]", i);
        const GpuModel model = gpuModel(spec.gpus[i], field);
        auto plain = std::make_unique<PlainFunction>();
        PciFunction& pci = plain->pci;
        pci.address = address(spec.gpus[i].pci, field);
        pci.vendor = model.vendor;
        pci.device = model.device;
        pci.subsystemVendor = model.subsystemVendor;
        pci.subsystemDevice = model.subsystemDevice;
        pci.classCode = model.classCode;
        pci.revision = model.revision;
        pci.numaNode = numaNode(spec.gpus[i].numa, spec, field);
        pci.driver = model.driver;
        plain->model = model.name;
        plain->bars = model.bars;
        plain->pcie = model.pcie;
        made.push_back(std::move(plain));
    }
    for (const auto& one : made) {
        const auto sameCard = [&](const auto& other) { return other->pci.address.sameSlot(one->pci.address); };
        one->pci.cardFunctions = static_cast<unsigned>(std::count_if(made.begin(), made.end(), sameCard));
        one->pci.multifunction = one->pci.cardFunctions > 1;
    }
    return made;
}

// NICs and GPUs alike: one function at each address, and no card that is both.
void checkAddresses(const std::vector<Draft>& drafts, const std::vector<std::unique_ptr<PlainFunction>>& plain) {
    std::map<PciAddress, std::string> known;
    const auto add = [&](const PciAddress& address, const std::string& field) {
        const auto [first, added] = known.try_emplace(address, field);
        if (!added)
            throw HardwareError(field + ".pci", fmt::format("{} is taken by {}", address.str(), first->second));
    };
    for (const Draft& draft : drafts)
        add(draft.nic->pci.address, draft.field);
    for (std::size_t i = 0; i < plain.size(); ++i) {
        const std::string field = fmt::format("gpus[{}]", i);
        add(plain[i]->pci.address, field);
        for (const Draft& draft : drafts)
            if (draft.nic->pci.address.sameSlot(plain[i]->pci.address))
                throw HardwareError(field + ".pci",
                                    fmt::format("{} would be a function of {}'s card", plain[i]->pci.address.str(), draft.field));
    }
}

std::vector<Placement> placements(const MachineSpec& spec, const std::vector<Draft>& drafts,
                                  const std::vector<std::unique_ptr<PlainFunction>>& plain) {
    std::vector<Placement> result;
    for (const Draft& draft : drafts) {
        Placement& one = result.emplace_back();
        one.function = &draft.nic->pci;
        one.field = draft.field;
        one.express = draft.nic->model->pcie.has_value();
        one.pcieSwitch = draft.spec->pcieSwitch;
        one.link = draft.nic->model->pcie;
        one.numaGiven = draft.spec->numa.has_value();
        one.askedVfs = draft.spec->totalVfs.value_or(draft.spec->numVfs);
        one.askedIn = draft.field + (draft.spec->totalVfs ? ".totalVfs" : ".numVfs");
    }
    for (std::size_t i = 0; i < plain.size(); ++i) {
        Placement& one = result.emplace_back();
        one.function = &plain[i]->pci;
        one.field = fmt::format("gpus[{}]", i);
        one.pcieSwitch = spec.gpus[i].pcieSwitch;
        one.link = plain[i]->pcie;
        one.numaGiven = spec.gpus[i].numa.has_value();
    }
    return result;
}

// In the order in which the kernel finds the functions.
void numberIommuGroups(const std::vector<Placement>& placements) {
    std::vector<PciFunction*> functions;
    for (const Placement& one : placements)
        functions.push_back(one.function);
    std::sort(functions.begin(), functions.end(), [](const auto* a, const auto* b) { return a->address < b->address; });
    for (unsigned group = 0; PciFunction * function : functions)
        function->iommuGroup = group++;
}

} // namespace

Machine::Machine(const MachineSpec& spec) : Machine(spec, Catalogue::builtIn()) {}

Machine::Machine(const MachineSpec& spec, const Catalogue& catalogue)
    : name_(spec.name), netns_(spec.netns), numa_(spec.numa), mode_(spec.rdmaNetns), copyOnFork_(spec.copyOnFork) {
    if (spec.name.empty())
        throw HardwareError("name", "a machine needs a name");
    if (spec.netns == 0)
        throw HardwareError("netns", "0 is no namespace");
    checkNuma(spec.numa);
    std::vector<Draft> drafts;
    for (std::size_t i = 0; i < spec.nics.size(); ++i) {
        Draft draft;
        draft.spec = &spec.nics[i];
        draft.field = fmt::format("nics[{}]", i);
        draft.nic = std::make_unique<Nic>();
        draft.nic->model = catalogue.model(draft.spec->model, draft.field + ".model");
        draft.nic->pci.address = address(draft.spec->pci, draft.field);
        setPort(draft, spec);
        setPci(draft, spec);
        setRdma(draft, spec);
        drafts.push_back(std::move(draft));
    }
    plain_ = makePlain(spec);
    checkAddresses(drafts, plain_);
    std::sort(drafts.begin(), drafts.end(),
              [](const Draft& a, const Draft& b) { return a.nic->pci.address < b.nic->pci.address; });
    std::set<std::string> macs;
    for (Draft& draft : drafts)
        setIdentity(draft, spec.name, macs);
    arrangeCards(drafts);
    const std::vector<Placement> placed = placements(spec, drafts, plain_);
    bridges_ = buildTopology(placed);
    if (spec.iommu)
        numberIommuGroups(placed);
    nameNetdevs(drafts);
    nameRdma(drafts, spec.rdmaNaming);
    numberCharDevices(drafts);
    for (Draft& draft : drafts) {
        if (contains(draft.charDevices, "rdma_cm"))
            rdmaCm_ = CharDevice{CharDeviceKind::rdmaCm, "rdma_cm", miscMajor, rdmaCmMinor, 0666};
        nics_.push_back(std::move(draft.nic));
        refreshGids(*nics_.back());
    }
    std::sort(plain_.begin(), plain_.end(), [](const auto& a, const auto& b) { return a->pci.address < b->pci.address; });
    loadDrivers(spec, catalogue);
    // As a udev rule or a unit at boot does it, in the order of the addresses.
    for (const Draft& draft : drafts) {
        if (draft.spec->numVfs == 0)
            continue;
        try {
            setNumVfs(*PciAddress::parse(draft.spec->pci), draft.spec->numVfs);
        } catch (const SystemError& error) {
            throw HardwareError(draft.field + ".numVfs", error.what());
        }
    }
}

} // namespace rdmalab::hardware
