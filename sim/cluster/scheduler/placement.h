// The scheduler's picture of the nodes, kept up to date pod by pod, and which of them suit a kind of pod.
#pragma once

#include "sim/cluster/scheduler/node_match.h"
#include "sim/cluster/store.h"
#include "sim/cluster/texts.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace rdmalab::cluster {

using Slot = std::uint32_t; // a node's number for as long as the scheduler lives

// All that the filters and scores look at. Pods made from one template share it.
struct Requirements {
    std::vector<std::pair<int, std::int64_t>> amounts; // resource number -> amount, no zeros
    std::int64_t scoreCpu = 0, scoreMemory = 0;        // with the defaults for pods that ask for nothing
    std::vector<Toleration> tolerations;
    NodeRequirement nodes;
    std::vector<PreferredTerm> preferred;
    std::set<std::string> ports;
    std::string nodeName; // spec.nodeName asked for before binding
    int priority = 0;
    bool neverPreempts = false;
};

struct Verdict {
    bool feasible = false, resolvable = false; // resolvable: removing pods could help
    int score = 0;
    std::vector<int> reasons; // numbers of texts
};

// Pods with the same requirements, and the nodes as they see them.
struct PodClass {
    Requirements requirements;
    std::optional<std::string> pinned; // the only node that can match (a DaemonSet's pod)

    struct Rank {
        int score;
        const std::string* name;
        Slot slot;
        bool operator<(const Rank& other) const { return score != other.score ? score > other.score : *name < *other.name; }
    };
    bool built = false;
    std::uint64_t seen = 0; // changes taken into account
    std::vector<Verdict> verdicts;
    std::set<Rank> feasible;         // best first
    std::map<int, int> reasonCounts; // of infeasible nodes
    std::size_t resolvable = 0;
};

class Placement {
public:
    explicit Placement(TextProfile profile) : profile_(profile) {}

    struct Node {
        std::string name;
        bool present = false, unschedulable = false;
        Labels labels;
        std::vector<Taint> taints;
        std::vector<std::int64_t> allocatable, used; // by resource number
        std::int64_t allowedPods = 0, scoreCpu = 0, scoreMemory = 0;
        std::map<std::string, std::shared_ptr<const PodClass>> pods; // by uid
        std::multiset<std::string> ports;
    };
    struct Bound {
        Slot slot;
        std::shared_ptr<const PodClass> podClass;
        ObjectPtr pod;
    };

    std::shared_ptr<PodClass> classOf(const Json& pod);

    // Returns true when something that filters look at has changed.
    bool setNode(const Json& node);
    void removeNode(const std::string& name);
    Slot slotOf(const std::string& node); // makes an empty one when unknown

    void addPod(const ObjectPtr& pod, Slot slot, std::shared_ptr<const PodClass> podClass);
    void updatePod(const ObjectPtr& pod);
    std::optional<Slot> removePod(const std::string& uid); // the slot that it was on

    // The class with all changes since the last look.
    PodClass& refresh(PodClass& podClass);
    Verdict evaluate(const Requirements& requirements, const Node& node);

    const Node& node(Slot slot) const { return nodes_[slot]; }
    std::size_t slots() const { return nodes_.size(); }
    std::size_t nodeCount() const { return present_; }
    const std::unordered_map<std::string, Bound>& bound() const { return bound_; }
    bool anyBelow(int priority) const { return !priorities_.empty() && priorities_.begin()->first < priority; }
    const std::string& reasonText(int number) const { return reasons_[static_cast<std::size_t>(number)]; }
    int reasonNumber(const std::string& text);

private:
    int resourceNumber(const std::string& name);
    void occupy(Node& node, const Requirements& requirements, int sign) const;
    void changed(Slot slot);
    void judge(PodClass& podClass, Slot slot);

    TextProfile profile_;
    std::vector<std::string> resources_{"cpu", "memory", "ephemeral-storage"};
    std::unordered_map<std::string, int> resourceNumbers_{{"cpu", 0}, {"memory", 1}, {"ephemeral-storage", 2}};
    std::vector<std::string> reasons_;
    std::unordered_map<std::string, int> reasonNumbers_;
    std::unordered_map<std::string, std::shared_ptr<PodClass>> classes_;
    std::deque<Node> nodes_; // addresses stay: ranks point at names
    std::unordered_map<std::string, Slot> slots_;
    std::size_t present_ = 0;
    std::unordered_map<std::string, Bound> bound_;
    std::map<int, int> priorities_; // of bound pods
    std::deque<Slot> changes_;      // the last ones; the first has number firstChange_
    std::uint64_t firstChange_ = 0;
};

} // namespace rdmalab::cluster
