FROM ubuntu:24.04
COPY nodesource.gpg.key docker-archive-keyring.gpg /usr/share/keyrings/
RUN curl -fsSL https://download.docker.com/linux/ubuntu/gpg | gpg --dearmor -o /etc/apt/keyrings/docker.gpg \
 && echo "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] https://download.docker.com/linux/ubuntu noble stable" > /etc/apt/sources.list.d/docker.list \
 && apt-key adv --keyserver keyserver.ubuntu.com --recv-keys 9DC858229FC7DD38854AE2D88D81803C0EBFCD88 \
 && apt-get install -y --no-install-recommends docker-ce-cli gnome-keyring libsecret-1-0 python3-keyring
RUN ssh-keyscan github.com >> /etc/ssh/ssh_known_hosts && ssh-keygen -A
RUN sed -i 's/#PasswordAuthentication yes/PasswordAuthentication no/' /etc/ssh/sshd_config
RUN git config --global credential.helper store && git config --global user.email ci@example.org
