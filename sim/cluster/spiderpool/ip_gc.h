// Spiderpool's IP garbage collection (spec/spiderpool.md, section 2.9; pkg/gcmanager): traces pods that end and scans all records
// from time to time.
#pragma once

#include "sim/clock/event_loop.h"
#include "sim/cluster/spiderpool/profile.h"
#include "sim/cluster/store.h"

#include <map>
#include <set>
#include <string>
#include <utility>

namespace rdmalab::cluster {

struct IpGcOptions {
    bool enabled = true;
    clock::Duration interval = std::chrono::seconds(600); // scan all
    clock::Duration traceGap = std::chrono::seconds(5);
    clock::Duration additionalDelay = std::chrono::seconds(0);
    bool onReadyNode = true, onNotReadyNode = true; // terminating and finished stateless pods, by the state of their node
    bool runningWithoutIps = false;                 // free addresses of running pods that report none
    bool enableStatefulSet = true;                  // StatefulSet pods keep their addresses
};

class IpGc {
public:
    IpGc(Store& store, clock::EventLoop& loop, IpGcOptions options);
    ~IpGc();
    IpGc(const IpGc&) = delete;
    IpGc& operator=(const IpGc&) = delete;

    void start();
    void stop();
    void scanAll(); // what also happens at start and every `interval`

private:
    struct Entry {
        std::string uid;
        clock::TimePoint due;
    };
    using Key = std::pair<std::string, std::string>;                                       // namespace, name
    using Released = std::map<std::string, std::set<std::pair<std::string, std::string>>>; // pool -> (address, pod uid)

    void onPod(const WatchEvent& event);
    void trace(const Json& pod, clock::TimePoint due);
    void armTracer();
    void checkTraced();
    void armScan();
    bool wantedOnNode(const Json& pod) const;
    bool keepsAddress(const std::string& ns, const std::string& name, const std::string& ownerKind) const;
    void releaseTraced(const Key& key, const Entry& entry, Released& released);
    void scanRecord(const std::string& pool, const std::string& ip, const Json& record, Released& released,
                    std::set<Key>& endpoints);
    void release(const Released& released);
    void dropEndpoint(const std::string& ns, const std::string& name);

    Store& store_;
    clock::EventLoop& loop_;
    IpGcOptions options_;
    bool running_ = false, tracerArmed_ = false;
    std::map<Key, Entry> traced_;
    Store::Subscription pods_;
    clock::EventLoop::TimerId tracer_, scan_;
};

} // namespace rdmalab::cluster
