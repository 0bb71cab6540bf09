// The plugin's log on standard error, as zerolog's console writer prints it: "2026-01-31T12:00:00Z INF RDMA-CNI: cmdAdd".
#pragma once

#include <string>

namespace rdmalab::plugin {

struct CniRequest;

namespace rdma {

class Log {
public:
    explicit Log(const CniRequest& request) : request_(request) {}
    void showDebug() { debug_ = true; }

    void debug(const std::string& message) const {
        if (debug_)
            write("DBG", message);
    }
    void info(const std::string& message) const { write("INF", message); }
    void warning(const std::string& message) const { write("WRN", message); }

private:
    void write(const char* level, const std::string& message) const;

    const CniRequest& request_;
    bool debug_ = false;
};

} // namespace rdma
} // namespace rdmalab::plugin
