#include "sim/hardware/topology.h"

#include "sim/hardware/hardware_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>

namespace rdmalab::hardware {
namespace {

constexpr unsigned lastBus = 0xff, slotsOfBus = 32, functionsOfSlot = 8;
constexpr std::uint16_t intel = 0x8086, rootPortDevice = 0x2030;  // Sky Lake-E PCI Express Root Port A
constexpr std::uint16_t broadcom = 0x1000, switchDevice = 0xc030; // PEX890xx PCIe Gen 5 Switch

struct Card;

// What hangs below one root port: a bus of cards, or a switch with several.
struct Branch {
    std::vector<Card*> cards;
    std::optional<std::string> pcieSwitch;
    unsigned top = 0; // the root port's secondary bus
    unsigned end = 0; // its subordinate one
    unsigned root = 0;
};

// The functions on one bus that is not a root bus.
struct Card {
    unsigned bus = 0, end = 0; // the last bus that its VFs may use
    std::vector<Placement*> functions;
    Branch* branch = nullptr;

    const Placement& first() const { return *functions.front(); }
};

unsigned virtualFunction(const PciFunction& pf, unsigned number) {
    return pf.address.routingId() + pf.vfOffset + pf.vfStride * number;
}

bool hasVf(const PciFunction& pf, unsigned count, unsigned routingId) {
    const unsigned from = virtualFunction(pf, 0);
    if (count == 0 || routingId < from)
        return false;
    const unsigned stride = std::max(pf.vfStride, 1U);
    return (routingId - from) % stride == 0 && (routingId - from) / stride < count;
}

double speedOf(const std::optional<PcieLink>& link) {
    return link ? std::strtod(link->speed.c_str(), nullptr) : 0;
}

// A port above several cards runs as fast as the fastest.
void join(std::optional<PcieLink>& link, const std::optional<PcieLink>& other) {
    if (!other)
        return;
    if (!link) {
        link = other;
        return;
    }
    if (speedOf(other) > speedOf(link))
        link->speed = other->speed;
    link->width = std::max(link->width, other->width);
}

// The bus numbers of one PCI domain.
class Domain {
public:
    Domain(std::uint16_t number, std::vector<Placement*> all) : number_(number), all_(std::move(all)) {}

    void build(std::vector<Bridge>& out) {
        sortIntoCards();
        reserveAskedVfs();
        sortIntoBranches();
        reserveOtherVfs();
        for (const auto& branch : branches_)
            chooseRoot(*branch);
        for (const auto& branch : branches_)
            emit(*branch, out);
    }

private:
    enum class Use { free, root, port };

    std::string busName(unsigned bus) const { return fmt::format("{:04x}:{:02x}", number_, bus); }

    void sortIntoCards() {
        std::map<unsigned, std::vector<Placement*>> buses;
        for (Placement* one : all_)
            buses[one->function->address.bus].push_back(one);
        for (auto& [bus, functions] : buses) {
            const bool below = bus != 0 && std::any_of(functions.begin(), functions.end(), [](auto* p) { return p->express; });
            use_[bus] = below ? Use::port : Use::root;
            if (!below) {
                for (Placement* one : functions) {
                    one->function->rootBus = static_cast<std::uint8_t>(bus);
                    if (one->pcieSwitch)
                        throw HardwareError(one->field + ".pcieSwitch",
                                            one->express ? "a card on bus 00 is part of the root complex, not below a switch"
                                                         : "this is no PCI Express device and cannot be below a switch");
                }
                continue;
            }
            auto card = std::make_unique<Card>();
            card->bus = card->end = bus;
            card->functions = std::move(functions);
            for (const Placement* one : card->functions)
                if (one->pcieSwitch != card->first().pcieSwitch)
                    throw HardwareError(one->field + ".pcieSwitch",
                                        fmt::format("{} shares bus {} with {}, which is {}", one->function->address.str(),
                                                    busName(bus), card->first().field,
                                                    card->first().pcieSwitch
                                                        ? fmt::format("below '{}'", *card->first().pcieSwitch)
                                                        : "below no switch"));
            owner_[bus] = card.get();
            cards_.push_back(std::move(card));
        }
    }

    // The VFs that somebody wants: every one must have an address of its own, on a bus that can be routed to its PF.
    void reserveAskedVfs() {
        for (Placement* one : all_) {
            if (one->askedVfs == 0)
                continue;
            const PciFunction& pf = *one->function;
            const unsigned last = virtualFunction(pf, one->askedVfs - 1);
            if (last > 0xffff)
                throw HardwareError(one->askedIn, fmt::format("{} VFs of {} would reach beyond bus ff: there is room for {}",
                                                              one->askedVfs, pf.address.str(), roomFor(pf, 0xffff)));
            Card* mine = owner_[pf.address.bus];
            for (unsigned bus = pf.address.bus + 1U; bus <= last >> 8; ++bus) {
                if (use_[bus] != Use::free && owner_[bus] != mine)
                    throw HardwareError(one->askedIn,
                                        fmt::format("VF {} of {} would be on bus {}, where {} is: there is room for {} VFs",
                                                    roomFor(pf, (bus << 8) - 1), pf.address.str(), busName(bus), whoIs(bus),
                                                    roomFor(pf, (bus << 8) - 1)));
                use_[bus] = mine ? Use::port : Use::root;
                owner_[bus] = mine;
            }
            if (mine)
                mine->end = std::max(mine->end, last >> 8);
        }
        for (const Placement* one : all_)
            for (const Placement* other : all_)
                if (one->askedVfs != 0 && one != other)
                    checkApart(*one, *other);
    }

    void checkApart(const Placement& one, const Placement& other) const {
        const PciFunction &pf = *one.function, &another = *other.function;
        if (hasVf(pf, one.askedVfs, another.address.routingId()))
            throw HardwareError(one.askedIn, fmt::format("a VF of {} would have the address {} of {}", pf.address.str(),
                                                         another.address.str(), other.field));
        if (other.askedVfs == 0 || virtualFunction(pf, one.askedVfs - 1) < virtualFunction(another, 0) ||
            virtualFunction(another, other.askedVfs - 1) < virtualFunction(pf, 0))
            return;
        for (unsigned i = 0; i < one.askedVfs; ++i)
            if (hasVf(another, other.askedVfs, virtualFunction(pf, i)))
                throw HardwareError(one.askedIn, fmt::format("VF {} of {} would have an address of the VFs of {}", i,
                                                             pf.address.str(), other.field));
    }

    // How many VFs fit up to and including a routing id.
    static unsigned roomFor(const PciFunction& pf, unsigned last) {
        const unsigned from = virtualFunction(pf, 0);
        return from > last ? 0 : (last - from) / std::max(pf.vfStride, 1U) + 1;
    }

    std::string whoIs(unsigned bus) const {
        for (const Placement* one : all_)
            if (one->function->address.bus == bus)
                return one->field;
        for (const Placement* one : all_)
            if (owner_[bus] && owner_[one->function->address.bus] == owner_[bus])
                return "a VF of " + one->field;
        return "a switch";
    }

    void sortIntoBranches() {
        std::map<std::string, Branch*> switches;
        for (const auto& card : cards_) {
            const auto& name = card->first().pcieSwitch;
            Branch* branch = name && switches.count(*name) ? switches[*name] : nullptr;
            if (!branch) {
                branch = branches_.emplace_back(std::make_unique<Branch>()).get();
                branch->pcieSwitch = name;
                branch->top = card->bus;
                if (name)
                    switches[*name] = branch;
            }
            card->branch = branch;
            branch->cards.push_back(card.get());
        }
        for (const auto& [name, branch] : switches)
            placeSwitch(*branch);
    }

    // A switch has two buses of its own, right below its cards' first, and everything between its cards.
    void placeSwitch(Branch& branch) {
        const Card& lowest = *branch.cards.front();
        const std::string field = lowest.first().field + ".pcieSwitch";
        if (branch.cards.size() > slotsOfBus)
            throw HardwareError(field, fmt::format("a switch has at most {} downstream ports", slotsOfBus));
        if (lowest.bus < 3)
            throw HardwareError(field,
                                fmt::format("no room for switch '{}': its cards must be on bus 03 or higher, since it needs "
                                            "two buses and its root port one below them",
                                            *branch.pcieSwitch));
        for (unsigned bus : {lowest.bus - 1, lowest.bus - 2}) {
            if (use_[bus] != Use::free)
                throw HardwareError(field, fmt::format("switch '{}' needs the two buses below {}, and {} is on {}",
                                                       *branch.pcieSwitch, busName(lowest.bus), whoIs(bus), busName(bus)));
        }
        const unsigned end = branch.cards.back()->end;
        for (unsigned bus = lowest.bus; bus <= end; ++bus) {
            if (use_[bus] == Use::free)
                continue;
            if (!owner_[bus] || owner_[bus]->branch != &branch)
                throw HardwareError(field, fmt::format("bus {} with {} lies between those of switch '{}'", busName(bus),
                                                       whoIs(bus), *branch.pcieSwitch));
        }
        branch.top = lowest.bus - 2;
        use_[branch.top] = use_[branch.top + 1] = Use::port;
        shareNumaNode(branch);
    }

    static void shareNumaNode(Branch& branch) {
        const Placement* said = nullptr;
        for (const Card* card : branch.cards)
            for (const Placement* one : card->functions) {
                if (said && one->numaGiven && one->function->numaNode != said->function->numaNode)
                    throw HardwareError(one->field + ".numa",
                                        fmt::format("switch '{}' is on NUMA node {}, as {} says", *branch.pcieSwitch,
                                                    said->function->numaNode, said->field));
                if (one->numaGiven)
                    said = one;
            }
        if (!said)
            return;
        for (const Card* card : branch.cards)
            for (const Placement* one : card->functions)
                one->function->numaNode = said->function->numaNode;
    }

    // Firmware leaves room for as many VFs as the card could have, as far as bus numbers are free.
    void reserveOtherVfs() {
        for (const auto& card : cards_) {
            unsigned wanted = card->end;
            for (const Placement* one : card->functions)
                if (one->function->totalVfs != 0)
                    wanted = std::max(wanted, virtualFunction(*one->function, one->function->totalVfs - 1) >> 8);
            while (card->end < std::min(wanted, lastBus) && use_[card->end + 1] == Use::free) {
                use_[++card->end] = Use::port;
                owner_[card->end] = card.get();
            }
        }
        for (const auto& branch : branches_) {
            branch->end = branch->cards.back()->end;
            for (unsigned bus = branch->top; bus <= branch->end; ++bus)
                use_[bus] = Use::port; // gaps between the cards of a switch
        }
    }

    void chooseRoot(Branch& branch) {
        unsigned root = branch.top - 1;
        while (use_[root] == Use::port) // bus 0 never is
            --root;
        use_[root] = Use::root;
        branch.root = root;
    }

    PciAddress rootPort(const Branch& branch) {
        // Bus 0 has the host bridge in its first place; cards that sit on the root bus themselves are avoided.
        unsigned& next = ports_.try_emplace(branch.root, branch.root == 0 ? 1 : 0).first->second;
        const auto taken = [&](const Placement* one) {
            return one->function->address.bus == branch.root && one->function->address.device == next % slotsOfBus;
        };
        while ((branch.root == 0 && next % slotsOfBus == 0) || std::any_of(all_.begin(), all_.end(), taken))
            ++next;
        if (next >= slotsOfBus * functionsOfSlot)
            throw HardwareError(branch.cards.front()->first().field + ".pci",
                                fmt::format("no free root port for bus {}", busName(branch.cards.front()->bus)));
        const unsigned place = next++;
        return {number_, static_cast<std::uint8_t>(branch.root), static_cast<std::uint8_t>(place % slotsOfBus),
                static_cast<std::uint8_t>(place / slotsOfBus)};
    }

    Bridge bridge(Bridge::Kind kind, const PciAddress& address, const Branch& branch, unsigned secondary, unsigned subordinate) {
        Bridge made;
        made.address = address;
        made.kind = kind;
        made.rootBus = static_cast<std::uint8_t>(branch.root);
        made.secondaryBus = static_cast<std::uint8_t>(secondary);
        made.subordinateBus = static_cast<std::uint8_t>(subordinate);
        made.vendor = kind == Bridge::Kind::rootPort ? intel : broadcom;
        made.device = kind == Bridge::Kind::rootPort ? rootPortDevice : switchDevice;
        made.numaNode = branch.cards.front()->first().function->numaNode;
        return made;
    }

    void emit(const Branch& branch, std::vector<Bridge>& out) {
        std::optional<PcieLink> fastest;
        for (const Card* card : branch.cards)
            for (const Placement* one : card->functions)
                join(fastest, one->link);
        Bridge root = bridge(Bridge::Kind::rootPort, rootPort(branch), branch, branch.top, branch.end);
        root.pcie = fastest;
        std::vector<PciAddress> above = {root.address};
        out.push_back(std::move(root));
        if (!branch.pcieSwitch) {
            place(*branch.cards.front(), above);
            return;
        }
        const PciAddress upstream{number_, static_cast<std::uint8_t>(branch.top), 0, 0};
        Bridge up = bridge(Bridge::Kind::upstreamPort, upstream, branch, branch.top + 1, branch.end);
        up.bridges = above;
        up.pcie = fastest;
        out.push_back(std::move(up));
        above.push_back(upstream);
        std::uint8_t slot = 0;
        for (const Card* card : branch.cards) {
            const PciAddress downstream{number_, static_cast<std::uint8_t>(branch.top + 1), slot++, 0};
            Bridge down = bridge(Bridge::Kind::downstreamPort, downstream, branch, card->bus, card->end);
            down.bridges = above;
            for (const Placement* one : card->functions)
                join(down.pcie, one->link);
            out.push_back(std::move(down));
            std::vector<PciAddress> chain = above;
            chain.push_back(downstream);
            place(*card, chain);
        }
    }

    static void place(const Card& card, const std::vector<PciAddress>& above) {
        for (const Placement* one : card.functions) {
            one->function->bridges = above;
            one->function->rootBus = above.front().bus;
        }
    }

    std::uint16_t number_;
    std::vector<Placement*> all_;
    std::vector<std::unique_ptr<Card>> cards_;      // by bus
    std::vector<std::unique_ptr<Branch>> branches_; // by their first card
    std::array<Use, lastBus + 1> use_{};
    std::array<Card*, lastBus + 1> owner_{};
    std::map<unsigned, unsigned> ports_; // given out on each root bus
};

} // namespace

std::vector<Bridge> buildTopology(std::vector<Placement> placements) {
    std::map<std::uint16_t, std::vector<Placement*>> domains;
    std::map<std::string, const Placement*> switches;
    for (Placement& one : placements) {
        domains[one.function->address.domain].push_back(&one);
        if (!one.pcieSwitch)
            continue;
        const auto [known, fresh] = switches.try_emplace(*one.pcieSwitch, &one);
        if (!fresh && known->second->function->address.domain != one.function->address.domain)
            throw HardwareError(one.field + ".pcieSwitch",
                                fmt::format("switch '{}' is in PCI domain {:04x}, as {} says", *one.pcieSwitch,
                                            known->second->function->address.domain, known->second->field));
    }
    std::vector<Bridge> bridges;
    for (auto& [number, functions] : domains)
        Domain(number, std::move(functions)).build(bridges);
    return bridges;
}

} // namespace rdmalab::hardware
