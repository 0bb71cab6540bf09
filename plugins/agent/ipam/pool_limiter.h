// One request at a time for each pool (pkg/limiter; spec/spiderpool.md, section 2.6).
#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace rdmalab::plugin::ipam {

// Requests wait in one queue; one that needs none of the pools that those in front of it want or hold overtakes them.
class PoolLimiter {
public:
    static constexpr std::size_t maxWaiting = 1000;

    class Ticket {
    public:
        ~Ticket();
        Ticket(const Ticket&) = delete;
        Ticket& operator=(const Ticket&) = delete;

    private:
        friend class PoolLimiter;
        Ticket(PoolLimiter& limiter, std::set<std::string> pools) : limiter_(limiter), pools_(std::move(pools)) {}
        PoolLimiter& limiter_;
        std::set<std::string> pools_;
    };

    // Waits until all of the pools are free and holds them for the ticket's life.
    // Throws std::runtime_error `failed to queue correctly: queue is full with a maximum length of 1000`.
    [[nodiscard]] Ticket acquire(const std::vector<std::string>& pools);

private:
    struct Waiter {
        explicit Waiter(const std::set<std::string>& pools) : wanted(pools) {}
        const std::set<std::string>& wanted;
        bool granted = false;
        std::condition_variable ready;
    };
    void grant(); // what can be granted; mutex_ is held

    std::mutex mutex_;
    std::set<std::string> held_;
    std::list<Waiter> waiting_; // oldest first
};

} // namespace rdmalab::plugin::ipam
