#pragma once

#include "harness/report/event.h"

#include <memory>
#include <utility>
#include <vector>

namespace rdmalab::report {

class Reporter {
public:
    Reporter() = default;
    Reporter(const Reporter&) = delete;
    Reporter& operator=(const Reporter&) = delete;
    virtual ~Reporter() = default;

    virtual void handle(const Event& event) = 0;
    // After the last event; files are complete after that.
    virtual void finish() {}
};

// Hands every event to each of its reporters, in order.
class Reporters : public Reporter {
public:
    void add(std::unique_ptr<Reporter> reporter) { all_.push_back(std::move(reporter)); }
    void handle(const Event& event) override;
    void finish() override;

private:
    std::vector<std::unique_ptr<Reporter>> all_;
};

} // namespace rdmalab::report
