// How a MachineSpec becomes a Machine: checks, then everything that firmware, kernel and udev decide at boot.
#include "sim/hardware/catalogue.h"
#include "sim/hardware/cpu_list.h"
#include "sim/hardware/hardware_error.h"
#include "sim/hardware/machine.h"
#include "sim/hardware/naming.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
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

PciAddress address(const Draft& draft) {
    const auto parsed = PciAddress::parse(draft.spec->pci);
    const std::string field = draft.field + ".pci";
    if (!parsed)
        throw HardwareError(field, fmt::format("'{}' is no PCI address; it looks like 0000:af:00.1, the device at most 1f, the "
                                               "function at most 7",
                                               draft.spec->pci));
    if (parsed->bus == 0 && parsed->device == 0)
        throw HardwareError(field, fmt::format("{} is the host bridge's place", parsed->str()));
    return *parsed;
}

void setPci(Draft& draft, const MachineSpec& spec) {
    Nic& nic = *draft.nic;
    PciFunction& pci = nic.pci;
    pci.address = address(draft);
    pci.vendor = nic.model->vendor;
    pci.device = nic.model->device;
    pci.revision = nic.model->revision;
    pci.subsystemVendor = nic.model->subsystemVendor;
    pci.subsystemDevice = nic.model->subsystemDevice;
    pci.classCode = nic.port.linkLayer == LinkLayer::infiniband ? infinibandClass : nic.model->classCode;
    pci.driver = nic.model->driver;
    pci.numaNode = draft.spec->numa.value_or(spec.numa.empty() ? -1 : spec.numa.front().id);
    const auto hasId = [&](const NumaSpec& node) { return node.id == pci.numaNode; };
    if (pci.numaNode != -1 && std::none_of(spec.numa.begin(), spec.numa.end(), hasId))
        throw HardwareError(draft.field + ".numa", fmt::format("the machine has no NUMA node {}", pci.numaNode));
    if (draft.spec->totalVfs && !nic.model->sriov)
        throw HardwareError(draft.field + ".totalVfs", fmt::format("{} has no SR-IOV", nic.model->name));
    if (nic.model->sriov)
        pci.totalVfs = draft.spec->totalVfs.value_or(nic.model->sriov->totalVfs);
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

// Functions of one card, where they sit on the buses, and where their VFs would be.
void arrange(std::vector<Draft>& drafts) {
    std::set<unsigned> occupied; // domain << 8 | bus
    for (const Draft& draft : drafts)
        occupied.insert(unsigned(draft.nic->pci.address.domain) << 8 | draft.nic->pci.address.bus);
    std::map<unsigned, unsigned> portsOf, portOfBus;
    for (Draft& draft : drafts) {
        PciFunction& pci = draft.nic->pci;
        const Nic* first = nullptr;
        unsigned before = 0;
        pci.cardFunctions = 0;
        for (const Draft& other : drafts)
            if (other.nic->pci.address.sameSlot(pci.address)) {
                first = first ? first : other.nic.get();
                before += other.nic->pci.address < pci.address;
                ++pci.cardFunctions;
                if (other.nic->model != draft.nic->model)
                    throw HardwareError(draft.field + ".model", "two functions of one card must be of the same model");
            }
        pci.multifunction = draft.nic->model->ports > 1 || pci.cardFunctions > 1;
        if (draft.nic->rdma && first->rdma)
            draft.nic->rdma->systemImageGuid = first->rdma->nodeGuid;
        if (draft.nic->model->sriov) {
            const SriovModel& sriov = *draft.nic->model->sriov;
            const unsigned start = sriov.offset ? sriov.offset : pci.cardFunctions;
            pci.vfOffset = pci.totalVfs ? start + before * (pci.totalVfs - 1) : start;
            pci.vfStride = sriov.stride;
        }
        // The root port's own bus: the nearest lower one that carries no card. A card on bus 0 is part of the root complex.
        if (pci.address.bus == 0 || !draft.nic->model->pcie) {
            pci.rootBus = pci.address.bus;
            continue;
        }
        const unsigned key = unsigned(pci.address.domain) << 8 | pci.address.bus;
        unsigned root = key - 1;
        while ((root & 0xff) != 0 && occupied.count(root))
            --root;
        pci.rootBus = static_cast<std::uint8_t>(root & 0xff);
        if (!portOfBus.count(key)) {
            // Bus 0 has the host bridge in its first place; cards that sit on it themselves are avoided.
            unsigned& next = portsOf.try_emplace(root, (root & 0xff) == 0 ? 1 : 0).first->second;
            const auto used = [&](const Draft& other) {
                return other.nic->pci.address.domain == pci.address.domain && other.nic->pci.address.bus == pci.rootBus &&
                       other.nic->pci.address.device == next % 32;
            };
            while (std::any_of(drafts.begin(), drafts.end(), used))
                ++next;
            if (next > 0xff) // 32 devices of 8 functions
                throw HardwareError(draft.field + ".pci", fmt::format("no free root port for bus {}", pci.address.busStr()));
            portOfBus[key] = next++;
        }
        const unsigned place = portOfBus[key];
        pci.bridges = {PciAddress{pci.address.domain, pci.rootBus, static_cast<std::uint8_t>(place % 32),
                                  static_cast<std::uint8_t>(place / 32)}};
    }
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
    std::map<PciAddress, std::string> addresses;
    for (std::size_t i = 0; i < spec.nics.size(); ++i) {
        Draft draft;
        draft.spec = &spec.nics[i];
        draft.field = fmt::format("nics[{}]", i);
        draft.nic = std::make_unique<Nic>();
        draft.nic->model = catalogue.model(draft.spec->model, draft.field + ".model");
        draft.nic->pci.address = address(draft);
        const auto [known, added] = addresses.try_emplace(draft.nic->pci.address, draft.field);
        if (!added)
            throw HardwareError(draft.field + ".pci",
                                fmt::format("{} is taken by {}", draft.nic->pci.address.str(), known->second));
        setPort(draft, spec);
        setPci(draft, spec);
        setRdma(draft, spec);
        drafts.push_back(std::move(draft));
    }
    std::sort(drafts.begin(), drafts.end(),
              [](const Draft& a, const Draft& b) { return a.nic->pci.address < b.nic->pci.address; });
    std::set<std::string> macs;
    for (Draft& draft : drafts)
        setIdentity(draft, spec.name, macs);
    arrange(drafts);
    nameNetdevs(drafts);
    nameRdma(drafts, spec.rdmaNaming);
    numberCharDevices(drafts);
    for (Draft& draft : drafts) {
        if (contains(draft.charDevices, "rdma_cm"))
            rdmaCm_ = CharDevice{CharDeviceKind::rdmaCm, "rdma_cm", miscMajor, rdmaCmMinor, 0666};
        nics_.push_back(std::move(draft.nic));
        refreshGids(*nics_.back());
    }
    loadDrivers();
}

} // namespace rdmalab::hardware
