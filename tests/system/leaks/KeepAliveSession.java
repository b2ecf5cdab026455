// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Calls a server with keepalive: java KeepAliveSession.java PORT COUNT. */
final class KeepAliveSession {
  private final List<Socket> sessions = new ArrayList<>();

  /** The mistake: at the end of the answer the session is over, and stays in the list. */
  private void call(int port) throws IOException {
    Socket socket = new Socket("127.0.0.1", port);
    socket.setKeepAlive(true);
    sessions.add(socket);
    String request = "GET /unavailable HTTP/1.0\r\n\r\n";
    socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
    while (socket.getInputStream().read() >= 0) {}
  }

  public static void main(String[] arguments) throws IOException {
    KeepAliveSession caller = new KeepAliveSession();
    for (int session = 0; session < Integer.parseInt(arguments[1]); ++session) {
      caller.call(Integer.parseInt(arguments[0]));
    }
    System.out.println("ready");
    int typed = System.in.read();
    while (typed >= 0 && typed != '\n') typed = System.in.read();
    for (Socket session : caller.sessions) session.close();
    System.out.println("closed");
    while (System.in.read() >= 0) {}
  }
}
