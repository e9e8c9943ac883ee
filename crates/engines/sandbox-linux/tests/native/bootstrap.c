// The smallest custom runtime: asks, answers "ok", asks again. What it costs is nearly nothing, so what is
// measured around it is the platform.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[65536];

static int exchange(int fd, const char *request, int length) {
    if (write(fd, request, length) != length) return -1;
    int have = 0;
    for (;;) {
        int got = read(fd, buffer + have, sizeof buffer - 1 - have);
        if (got <= 0) return -1;
        have += got;
        buffer[have] = 0;
        char *end = strstr(buffer, "\r\n\r\n");
        if (!end) continue;
        char *text = strcasestr(buffer, "content-length:");
        int body = 0;
        if (text && text < end) sscanf(text + 15, " %d", &body);
        if (have >= end + 4 - buffer + body) return have;
    }
}

int main(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9001), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) return 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const char *next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n";
    for (;;) {
        if (exchange(fd, next, strlen(next)) < 0) return 2;
        char *id = strcasestr(buffer, "lambda-runtime-aws-request-id:"), request[512];
        if (!id) return 3;
        id += strlen("lambda-runtime-aws-request-id:");
        while (*id == ' ') id++;
        int length = snprintf(request, sizeof request,
            "POST /2018-06-01/runtime/invocation/%.36s/response HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\"ok\"", id);
        if (exchange(fd, request, length) < 0) return 4;
    }
}
