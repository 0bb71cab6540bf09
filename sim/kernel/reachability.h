// Follows a packet through namespaces, links and the fabric, and its answer back.
#pragma once

#include "sim/kernel/world_state.h"

namespace rdmalab::kernel {

class Reachability {
public:
    explicit Reachability(const WorldState& world) : world_(world) {}

    Reach roundTrip(const NetnsState& from, const std::optional<IpAddress>& src, const IpAddress& dst) const;

private:
    // How far a packet got: either it arrived in `netns` through `in`, or `why` says what stopped it.
    struct Delivery {
        const NetnsState* netns = nullptr;
        const LinkRecord* in = nullptr;
        IpAddress src;
        std::string why;
    };
    struct Flow {
        std::optional<IpAddress> src;
        IpAddress dst;
        std::uint32_t mark = 0;
    };

    Delivery send(const NetnsState& from, Flow flow) const;
    const RouteEntry* lookUp(const NetnsState& netns, const Flow& flow) const;
    std::optional<IpAddress> chooseSource(const NetnsState& netns, const plugin::Route& route, const IpAddress& nextHop) const;
    // The link that gets the frame for `nextHop`; null and `why` when nobody answers.
    const LinkRecord* neighbour(const LinkRecord& out, const IpAddress& nextHop, std::string& why) const;
    // Empty when a frame sent on `out` reaches `in`.
    std::string separation(const LinkRecord& out, const LinkRecord& in) const;
    std::string refusedOnArrival(const LinkRecord& in, const Flow& flow) const;
    static std::uint32_t answerMark(const NetnsState& netns, const LinkRecord& in, int family);

    const WorldState& world_;
};

} // namespace rdmalab::kernel
